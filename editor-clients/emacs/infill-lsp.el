;;; infill-lsp.el --- Suggestions by infill-ls in lsp-mode's buffers  -*- lexical-binding: t; -*-

;; SPDX-License-Identifier: Apache-2.0

;;; Commentary:

;; lsp-mode 10 asks for inline completions and draws them itself.  This tells it
;; of the server, which runs beside a language's own, and adds what is missing:
;; acceptance by word and by line, and the server's status in the mode line.

;;; Code:

(require 'lsp-mode)
(require 'infill)

(eval-and-compile
  (unless (require 'lsp-inline-completion nil t)
    (error "Suggestions need lsp-mode 10 or newer; with an older one, use infill-eglot")))

(defcustom infill-lsp-languages '(prog-mode)
  "Major modes, with those derived from them, in which lsp-mode starts infill-ls."
  :type '(repeat symbol)
  :group 'infill)

(defvar infill-lsp--told-missing nil "Whether the user knows that the program is missing.")

(defun infill-lsp--wanted-p (_file _mode)
  "Whether the current buffer is one for infill-ls; a missing program is said once."
  (and (apply #'derived-mode-p infill-lsp-languages)
       (if-let* ((sentence (infill-program-missing)))
           (unless infill-lsp--told-missing
             (setq infill-lsp--told-missing t)
             (display-warning 'infill sentence)
             nil)
         t)))

;;;; Talking to the server

(defun infill-lsp--workspace ()
  "The infill-ls of this buffer, or nil."
  (seq-find (lambda (workspace)
              (eq (lsp--client-server-id (lsp--workspace-client workspace)) 'infill-ls))
            (lsp-workspaces)))

(defun infill-lsp--send (method params on-result on-error)
  "Ask for METHOD with PARAMS, see `infill-request-function'.
ON-RESULT and ON-ERROR get the answer."
  (with-lsp-workspace (infill-lsp--workspace)
    (condition-case unsupported
        (lsp-request-async
         method params on-result
         :mode 'detached
         :error-handler (lambda (error) (funcall on-error (infill-get error :code) (infill-get error :message))))
      (error (funcall on-error -32601 (error-message-string unsupported))))))

(defun infill-lsp--accepted (command)
  "Send COMMAND, which an accepted item carries; nobody waits for an answer."
  (infill-lsp--send "workspace/executeCommand"
                    (list :command (infill-get command :command) :arguments (infill-get command :arguments))
                    #'ignore #'ignore))

(defun infill-lsp--tell-move ()
  "Let the server look at what is around point, before anything is asked there."
  (with-lsp-workspace (infill-lsp--workspace)
    (lsp-notify "infill/didMoveCursor" (lsp--text-document-position-params))))

(defun infill-lsp--status (workspace status)
  "Keep STATUS, what the server of WORKSPACE says of itself."
  (infill-take-status status (lsp--workspace-buffers workspace)))

(lsp-register-client
 (make-lsp-client
  :new-connection (lsp-stdio-connection (lambda () infill-command))
  :activation-fn #'infill-lsp--wanted-p
  :add-on? t
  :server-id 'infill-ls
  :initialization-options (lambda () infill-settings)
  :notification-handlers (lsp-ht ("infill/status" #'infill-lsp--status))
  :action-handlers (lsp-ht ("infill.accepted" #'infill-lsp--accepted))))

;;;###autoload
(define-minor-mode infill-lsp-mode
  "Whether infill-ls is among the servers of this buffer."
  :lighter (:eval (infill-lighter))
  (cond (infill-lsp-mode
         (setq infill-request-function #'infill-lsp--send
               infill-uri-function #'lsp--buffer-uri)
         ;; lsp-mode itself would wait for two seconds.
         (setq-local lsp-inline-completion-idle-delay infill-idle-delay)
         (add-hook 'lsp-on-idle-hook #'infill-lsp--tell-move nil t)
         (infill-ask-status))
        (t
         (kill-local-variable 'lsp-inline-completion-idle-delay)
         (remove-hook 'lsp-on-idle-hook #'infill-lsp--tell-move t)
         (setq infill-request-function nil infill-last-status nil))))

(defun infill-lsp--update ()
  "Switch `infill-lsp-mode' on where infill-ls is among the servers, else off."
  (let ((ours (and (bound-and-true-p lsp-managed-mode) (infill-lsp--workspace))))
    (unless (eq (and ours t) infill-lsp-mode)
      (infill-lsp-mode (if ours 1 -1)))))

(add-hook 'lsp-after-open-hook #'infill-lsp--update)
(add-hook 'lsp-managed-mode-hook #'infill-lsp--update)

;;;; Accepting

(defun infill-lsp--accept-part (part-of)
  "Put the beginning of the suggestion that PART-OF returns into the text.
The edit makes lsp-mode ask again, and the server answers with the rest."
  (let* ((item (elt lsp-inline-completion--items lsp-inline-completion--current))
         (text (infill-get item :insertText))
         (range (infill-get item :range))
         (begin (if range (lsp--position-to-point (infill-get range :start)) lsp-inline-completion--start-point))
         (rest (substring text (- lsp-inline-completion--start-point begin)))
         (part (funcall part-of rest)))
    (if (string= part rest)
        (lsp-inline-completion-accept)
      (lsp-inline-completion-cancel)
      (insert part))))

(defun infill-lsp-accept-word ()
  "Put the first word of the suggestion into the text."
  (interactive)
  (infill-lsp--accept-part #'infill-first-word))

(defun infill-lsp-accept-line ()
  "Put the first line of the suggestion into the text."
  (interactive)
  (infill-lsp--accept-part #'infill-first-line))

(pcase-dolist (`(,key . ,command) '(("TAB" . lsp-inline-completion-accept)
                                    ("M-f" . infill-lsp-accept-word)
                                    ("C-<right>" . infill-lsp-accept-word)
                                    ("C-e" . infill-lsp-accept-line)))
  (put command 'lsp-inline-completion-keep t)
  (define-key lsp-inline-completion-active-map (kbd key) command))

(provide 'infill-lsp)
;;; infill-lsp.el ends here

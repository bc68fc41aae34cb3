;;; infill.el --- Code suggestions by infill-ls  -*- lexical-binding: t; -*-

;; SPDX-License-Identifier: Apache-2.0

;; Author: the authors of infill-ls
;; Version: 0.1.0
;; Package-Requires: ((emacs "28.1"))
;; Keywords: convenience, languages

;;; Commentary:

;; infill-ls is a language server that completes code while you type, with a
;; model that runs inside it.  This file holds what its two clients share: the
;; settings, and the commands that ask the server about itself.
;;
;; With eglot, which runs one server in a file (see infill-eglot.el):
;;
;;   (with-eval-after-load 'eglot
;;     (require 'infill-eglot)
;;     (add-to-list 'eglot-server-programs '(python-mode . infill-eglot-contact)))
;;
;; With lsp-mode, beside a language's own server (see infill-lsp.el):
;;
;;   (with-eval-after-load 'lsp-mode
;;     (require 'infill-lsp))

;;; Code:

(require 'seq)
(require 'subr-x)

(defgroup infill nil
  "Code suggestions by infill-ls."
  :group 'convenience
  :prefix "infill-")

(defcustom infill-command '("infill-ls")
  "The program and its arguments."
  :type '(repeat string)
  :risky t)

(defcustom infill-settings nil
  "Settings for the server, as a property list.
For example (:model (:path \"~/models/qwen2.5-coder-1.5b-q8_0.gguf\")).
They count from the server's next start on."
  :type '(plist :key-type symbol)
  :risky t)

(defcustom infill-idle-delay 0.1
  "Seconds after a key before a suggestion is asked for.
The server itself waits for a pause that fits the rhythm of your typing."
  :type 'number)

(defface infill-ghost
  '((t :inherit shadow))
  "Face of a suggestion.")

(defconst infill-timeout 60
  "Seconds for an answer: the first one waits for the model to load.")

;;;; What a client sets in its buffers

(defvar-local infill-request-function nil
  "Function of METHOD, PARAMS, ON-RESULT and ON-ERROR that asks the server.
ON-RESULT gets the result, ON-ERROR a code and a message.  It does not wait.")

(defvar-local infill-uri-function nil
  "Function that returns the URI of the current buffer's file.")

(defvar-local infill-last-status nil
  "What the server has said of itself last, see `infill-status'.")

(defun infill-program-missing ()
  "A sentence for the user where the program cannot be started, or nil."
  (unless (executable-find (car infill-command))
    (format "%s is not on the path; install it with `pipx install infill-ls', or set `infill-command'"
            (car infill-command))))

(defun infill-get (object key)
  "KEY, a keyword, of OBJECT, a JSON object as eglot or lsp-mode read it."
  (let ((value (if (hash-table-p object)
                   (gethash (substring (symbol-name key) 1) object)
                 (plist-get object key))))
    (unless (memq value '(:json-false :json-null :null :false)) value)))

(defun infill-take-status (status buffers)
  "Keep STATUS, what the server says of itself, for the mode lines of BUFFERS."
  (dolist (buffer buffers)
    (when (buffer-live-p buffer)
      (with-current-buffer buffer
        (setq infill-last-status status)
        (force-mode-line-update)))))

(defun infill-ask-status ()
  "Ask for the server's status; an older server has none."
  (let ((buffer (current-buffer)))
    (funcall infill-request-function "infill/status" nil
             (lambda (status) (infill-take-status status (list buffer)))
             #'ignore)))

(defun infill-lighter ()
  "What the mode line says."
  (pcase (and infill-last-status (infill-get infill-last-status :state))
    ((or 'nil "ready") " Infill")
    (state (concat " Infill:" state))))

;;;; Parts of a suggestion

(defun infill-first-word (text)
  "The beginning of TEXT up to the end of its first word or operator."
  (if (string-match "\\`[ \t\n]*\\(?:[[:alnum:]_]+\\|[^[:alnum:]_ \t\n]+\\)" text)
      (match-string 0 text)
    text))

(defun infill-first-line (text)
  "The beginning of TEXT up to the end of its first line that holds something."
  (string-match "\\`\n*[^\n]*" text)
  (match-string 0 text))

;;;; Commands

(defun infill--call (method params)
  "The result of METHOD with PARAMS; what goes wrong is a `user-error'."
  (unless infill-request-function
    (user-error "No infill-ls in this buffer: `M-x eglot' or `M-x lsp' starts it"))
  (let (reply)
    (funcall infill-request-function method params
             (lambda (result) (setq reply (list result)))
             (lambda (code message) (setq reply (cons code message))))
    (with-timeout (infill-timeout (user-error "The infill-ls server does not answer"))
      (while (not reply) (accept-process-output nil 0.05)))
    (pcase reply
      (`(-32601 . ,_) (user-error "This infill-ls is too old for that; `pipx upgrade infill-ls' brings a newer one"))
      (`(,(pred integerp) . ,message) (user-error "The infill-ls server says: %s" message))
      (`(,result) result))))

(defun infill--execute (command &rest arguments)
  "The result of the server's COMMAND with ARGUMENTS."
  (infill--call "workspace/executeCommand" (list :command command :arguments (vconcat arguments))))

(defun infill--show-status (status)
  "Say STATUS in the echo area."
  (let ((last (infill-get status :last)))
    (message "infill-ls: %s (%s)%s"
             (or (infill-get status :message) (infill-get status :state))
             (infill-get status :backend)
             (if last (format ". Last: %s" (infill-get last :sentence)) ""))))

;;;###autoload
(defun infill-status ()
  "Say what the server does: its state, model, and why the last answer was empty."
  (interactive)
  (infill--show-status (infill--call "infill/status" nil)))

;;;###autoload
(defun infill-explain ()
  "Show what was last asked in this buffer, and why it was answered so."
  (interactive)
  (let ((text (infill--execute "infill.explain" (funcall infill-uri-function))))
    (with-help-window "*infill explanation*"
      (princ text))))

;;;###autoload
(defun infill-toggle ()
  "Switch suggestions off everywhere until the server ends, or on again."
  (interactive)
  (let ((enabled (infill-get (infill--call "infill/status" nil) :enabled)))
    (infill--show-status (infill--execute (if enabled "infill.disable" "infill.enable")))))

;;;###autoload
(defun infill-reload ()
  "Load the model again, by the settings as they are now."
  (interactive)
  (infill--show-status (infill--execute "infill.reload")))

;;;###autoload
(defun infill-switch-model (model)
  "Let MODEL make the suggestions: a name that the server knows, or a model file.
An empty MODEL is the one that the settings say."
  (interactive
   (list (completing-read "Model, or a file (empty: as in the settings): "
                          (seq-map (lambda (model) (infill-get model :name)) (infill--execute "infill.models")))))
  (infill--show-status
   (cond ((string-empty-p model) (infill--execute "infill.switchModel"))
         ((file-exists-p model) (infill--execute "infill.switchModel" (expand-file-name model)))
         (t (infill--execute "infill.switchModel" model)))))

(provide 'infill)
;;; infill.el ends here

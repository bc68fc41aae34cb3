;;; infill-eglot.el --- Suggestions by infill-ls in eglot's buffers  -*- lexical-binding: t; -*-

;; SPDX-License-Identifier: Apache-2.0

;;; Commentary:

;; eglot does not know textDocument/inlineCompletion; this asks for it when you
;; pause, and draws the answer behind point.  While you type what is suggested,
;; its rest stays; anything else takes it away and calls the request back.

;;; Code:

(require 'cl-lib)
(require 'eglot)
(require 'infill)

;;;###autoload
(defun infill-eglot-contact (&optional interactive &rest _)
  "How to start the server, for an entry of `eglot-server-programs'.
INTERACTIVE is whether the user has asked for it just now."
  (when-let* ((sentence (infill-program-missing)))
    ;; `eglot-ensure' calls this in a hook, where errors are drowned.
    (unless interactive (display-warning 'infill sentence))
    (user-error "%s" sentence))
  (append infill-command (and infill-settings (list :initializationOptions infill-settings))))

(defvar-local infill-eglot--server nil "The server of this buffer.")
(defvar-local infill-eglot--seen nil "Where the last command has left the text and point.")
(defvar-local infill-eglot--timer nil "Runs out when a suggestion is to be asked for.")
(defvar-local infill-eglot--request nil "Id of the request whose answer is awaited.")
(defvar-local infill-eglot--ghost nil
  "Overlay over what the suggestion replaces, which draws it; nil where none is.
Its properties: `infill-rest', the text to come; `infill-command', to execute
when all of it is taken; `infill-point', where it was drawn; `infill-after',
how many characters stood right of point then.")

(defvar infill-eglot-active-map
  (let ((map (make-sparse-keymap)))
    (define-key map (kbd "TAB") #'infill-eglot-accept)
    (define-key map (kbd "<tab>") #'infill-eglot-accept)
    (define-key map (kbd "M-f") #'infill-eglot-accept-word)
    (define-key map (kbd "C-<right>") #'infill-eglot-accept-word)
    (define-key map (kbd "C-e") #'infill-eglot-accept-line)
    (define-key map (kbd "C-g") #'infill-eglot-dismiss)
    map)
  "Keys that count while a suggestion is shown.")

(defvar infill-eglot--keys `((infill-eglot--ghost . ,infill-eglot-active-map))
  "For `emulation-mode-map-alists': TAB belongs to many minor modes.")

;;;###autoload
(define-minor-mode infill-eglot-mode
  "Draw what infill-ls suggests, in a buffer that eglot manages."
  :lighter (:eval (infill-lighter))
  (if infill-eglot-mode (infill-eglot--begin) (infill-eglot--end)))

(defun infill-eglot--begin ()
  "Watch this buffer."
  (unless (eglot-current-server)
    (setq infill-eglot-mode nil)
    (user-error "No server in this buffer: `M-x eglot' starts it"))
  (setq infill-eglot--server (eglot-current-server)
        infill-eglot--seen (infill-eglot--place)
        infill-request-function #'infill-eglot--send
        infill-uri-function #'infill-eglot--uri)
  (add-to-list 'emulation-mode-map-alists 'infill-eglot--keys)
  (add-hook 'post-command-hook #'infill-eglot--after-command nil t)
  (infill-ask-status))

(defun infill-eglot--end ()
  "Leave this buffer alone."
  (infill-eglot--call-off)
  (infill-eglot--clear)
  (remove-hook 'post-command-hook #'infill-eglot--after-command t)
  (setq infill-request-function nil infill-last-status nil))

(defun infill-eglot--managed ()
  "Draw suggestions in the current buffer as long as infill-ls is its server."
  (cond ((eglot-managed-p)
         (when (infill-eglot--ours-p (eglot-current-server)) (infill-eglot-mode)))
        (infill-eglot-mode
         (infill-eglot-mode -1)
         (unless (or (jsonrpc-running-p infill-eglot--server) (eglot--shutdown-requested infill-eglot--server))
           ;; In a moment, since eglot has something to say about it too.
           (run-at-time 0 nil #'message "infill-ls has ended by itself; `M-x eglot' starts it again")))))

(add-hook 'eglot-managed-mode-hook #'infill-eglot--managed)

(defun infill-eglot--ours-p (server)
  "Whether SERVER is an infill-ls, by the name that it gives itself."
  (equal (plist-get (eglot--server-info server) :name) "infill-ls"))

;;;; Talking to the server

(defun infill-eglot--send (method params on-result on-error)
  "Ask for METHOD with PARAMS, see `infill-request-function'.
ON-RESULT and ON-ERROR get the answer."
  (jsonrpc-async-request
   (eglot--current-server-or-lose) (intern (concat ":" method)) params
   :success-fn on-result
   :error-fn (lambda (error) (funcall on-error (plist-get error :code) (plist-get error :message)))
   :timeout-fn #'ignore :timeout infill-timeout))

(defun infill-eglot--uri ()
  "The URI under which the server knows this buffer."
  (plist-get (eglot--TextDocumentIdentifier) :uri))

(cl-defmethod eglot-handle-notification (server (_method (eql 'infill/status)) &rest status)
  "Keep STATUS, what SERVER says of itself."
  (infill-take-status status (eglot--managed-buffers server)))

;;;; Asking

(defun infill-eglot--place ()
  "What must be the same when an answer comes."
  (cons (buffer-chars-modified-tick) (point)))

(defun infill-eglot--after-command ()
  "Keep what is suggested while it is typed; after any other edit, ask again."
  (let ((before infill-eglot--seen) (now (infill-eglot--place)))
    (unless (equal before now)
      (setq infill-eglot--seen now)
      (infill-eglot--call-off)
      (unless (infill-eglot--typed-through)
        (infill-eglot--clear)
        (infill-eglot--later
         (if (= (car before) (car now)) #'infill-eglot--tell-move #'infill-eglot--ask))))))

(defun infill-eglot--later (function)
  "Call FUNCTION in this buffer after a pause."
  (setq infill-eglot--timer
        (run-with-timer infill-idle-delay nil #'infill-eglot--in-time function (current-buffer))))

(defun infill-eglot--in-time (function buffer)
  "Call FUNCTION in BUFFER, where that is still what the user looks at."
  (when (eq buffer (window-buffer))
    (with-current-buffer buffer
      (when (jsonrpc-running-p infill-eglot--server) (funcall function)))))

(defun infill-eglot--ask (&optional by-hand)
  "Ask for a suggestion at point; BY-HAND, for one that may take its time."
  (eglot--signal-textDocument/didChange)
  (let ((buffer (current-buffer)) (place (infill-eglot--place)))
    (setq infill-eglot--request
          (car (jsonrpc--async-request-1 ; the public function does not tell the id
                infill-eglot--server :textDocument/inlineCompletion
                (append (eglot--TextDocumentPositionParams) `(:context (:triggerKind ,(if by-hand 1 2))))
                :success-fn (lambda (answer) (infill-eglot--answered buffer place answer by-hand))
                :error-fn #'ignore :timeout-fn #'ignore :timeout infill-timeout)))))

(defun infill-eglot--tell-move ()
  "Let the server look at what is around point, before anything is asked there."
  (eglot--signal-textDocument/didChange)
  (jsonrpc-notify infill-eglot--server :infill/didMoveCursor (eglot--TextDocumentPositionParams)))

(defun infill-eglot--call-off ()
  "Do not ask, and do not wait for an answer."
  (when infill-eglot--timer (cancel-timer infill-eglot--timer))
  (when (and infill-eglot--request (jsonrpc-running-p infill-eglot--server))
    (jsonrpc-notify infill-eglot--server :$/cancelRequest (list :id infill-eglot--request)))
  (setq infill-eglot--timer nil infill-eglot--request nil))

(defun infill-eglot--answered (buffer place answer by-hand)
  "Draw the first suggestion of ANSWER in BUFFER, if it is still at PLACE.
That there is none is only said when it was asked for BY-HAND."
  (when (buffer-live-p buffer)
    (with-current-buffer buffer
      (when (and infill-eglot-mode (equal place (infill-eglot--place)))
        (setq infill-eglot--request nil)
        (let ((items (if (vectorp answer) answer (plist-get answer :items))))
          (cond ((< 0 (length items)) (infill-eglot--show (aref items 0)))
                (by-hand (message "infill-ls has no suggestion here; `M-x infill-explain' says why"))))))))

;;;; Drawing

(defun infill-eglot--region (range)
  "The positions (BEGIN . END) of RANGE."
  (if (fboundp 'eglot-range-region)     ; eglot 1.16
      (eglot-range-region range)
    (with-no-warnings (eglot--range-region range))))

(defun infill-eglot--show (item)
  "Draw ITEM, an InlineCompletionItem, if it continues what stands left of point."
  (pcase-let* ((text (plist-get item :insertText))
               (range (plist-get item :range))
               (`(,begin . ,end) (if range (infill-eglot--region range) (cons (point) (point))))
               (typed (and (<= begin (point) end) (buffer-substring-no-properties begin (point)))))
    (infill-eglot--clear)
    (when (and (stringp text) typed (string-prefix-p typed text) (not (string= typed text)))
      (setq infill-eglot--ghost (make-overlay (point) end))
      (overlay-put infill-eglot--ghost 'infill-command (plist-get item :command))
      (overlay-put infill-eglot--ghost 'infill-after (- (point-max) (point)))
      (infill-eglot--draw (substring text (length typed))))))

(defun infill-eglot--draw (rest)
  "Draw REST at point, over what it replaces."
  (let* ((ghost infill-eglot--ghost)
         (drawn (propertize rest 'face 'infill-ghost)))
    (put-text-property 0 1 'cursor t drawn)
    (overlay-put ghost 'infill-rest rest)
    (move-overlay ghost (point) (max (point) (overlay-end ghost)))
    (overlay-put ghost (if (= (overlay-start ghost) (overlay-end ghost)) 'after-string 'display) drawn)
    (overlay-put ghost 'infill-point (point))))

(defun infill-eglot--clear ()
  "Take the suggestion away."
  (when infill-eglot--ghost (delete-overlay infill-eglot--ghost))
  (setq infill-eglot--ghost nil))

(defun infill-eglot--typed-through ()
  "Whether what was typed is suggested and leaves a rest, which is then drawn.
Nothing may have changed right of point: an editor that closes brackets has
written what the suggestion holds too."
  (when-let* ((ghost infill-eglot--ghost)
              (rest (overlay-get ghost 'infill-rest))
              (from (overlay-get ghost 'infill-point))
              (typed (and (< from (point)) (= (- (point-max) (point)) (overlay-get ghost 'infill-after))
                          (buffer-substring-no-properties from (point)))))
    (when (and (string-prefix-p typed rest) (not (string= typed rest)))
      (infill-eglot--draw (substring rest (length typed)))
      t)))

;;;; Commands

(defun infill-eglot-complete ()
  "Ask for a suggestion here and now."
  (interactive)
  (unless infill-eglot-mode (user-error "No infill-ls in this buffer: `M-x eglot' starts it"))
  (infill-eglot--call-off)
  (infill-eglot--clear)
  (infill-eglot--ask t))

(defun infill-eglot-accept ()
  "Put the suggestion into the text, and let the server know."
  (interactive)
  (let ((ghost infill-eglot--ghost))
    (unless ghost (user-error "Nothing is suggested here"))
    (delete-region (overlay-start ghost) (overlay-end ghost))
    (insert (overlay-get ghost 'infill-rest))
    (infill-eglot--clear)
    (when-let* ((command (overlay-get ghost 'infill-command)))
      (eglot--signal-textDocument/didChange)
      (infill-eglot--send "workspace/executeCommand"
                          (list :command (plist-get command :command) :arguments (plist-get command :arguments))
                          #'ignore #'ignore))))

(defun infill-eglot--accept-part (part-of)
  "Put the beginning of the suggestion that PART-OF returns into the text."
  (unless infill-eglot--ghost (user-error "Nothing is suggested here"))
  (let* ((rest (overlay-get infill-eglot--ghost 'infill-rest))
         (part (funcall part-of rest)))
    (if (string= part rest) (infill-eglot-accept) (insert part))))

(defun infill-eglot-accept-word ()
  "Put the first word of the suggestion into the text."
  (interactive)
  (infill-eglot--accept-part #'infill-first-word))

(defun infill-eglot-accept-line ()
  "Put the first line of the suggestion into the text."
  (interactive)
  (infill-eglot--accept-part #'infill-first-line))

(defun infill-eglot-dismiss ()
  "Take the suggestion away."
  (interactive)
  (infill-eglot--clear))

(provide 'infill-eglot)
;;; infill-eglot.el ends here

// Where the cursor is, so that the server can look at the place before it is asked.
import { Disposable, TextDocument, window } from "vscode";
import { Server } from "./server";

/** Tells of a cursor that came to another place without an edit; edits tell of themselves. */
export function followCursor(server: Server): Disposable {
  const versions = new WeakMap<TextDocument, number>();
  return window.onDidChangeTextEditorSelection(({ textEditor: { document }, selections }) => {
    const known = versions.get(document) ?? document.version;
    versions.set(document, document.version);
    if (known === document.version && selections.length === 1) server.cursorMoved(document, selections[0].active);
  });
}

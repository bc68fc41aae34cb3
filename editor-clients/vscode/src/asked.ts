// What the model was asked last, as a document to read.
import { EventEmitter, TextDocumentContentProvider, Uri, ViewColumn, window, workspace } from "vscode";
import { Server } from "./server";

export const SCHEME = "infill-asked";

export class Asked implements TextDocumentContentProvider {
  private readonly changed = new EventEmitter<Uri>();
  private readonly texts = new Map<string, string>();
  readonly onDidChange = this.changed.event;

  constructor(private readonly server: Server) {}

  provideTextDocumentContent(uri: Uri): string | undefined {
    return this.texts.get(uri.toString());
  }

  /** Of the file that is edited, or, from such a document, of the one it is about: asked for again. */
  async show(): Promise<void> {
    const current = window.activeTextEditor?.document.uri;
    if (!current) return void window.showInformationMessage("Open the file that you want to know it of.");
    const about = current.scheme === SCHEME ? current.query : current.toString();
    const text = await this.server.run<string>("infill.explain", about);
    if (text === undefined) return;
    const uri = Uri.from({ scheme: SCHEME, path: `/${nameOf(about)}: what was asked`, query: about });
    this.texts.set(uri.toString(), text);
    this.changed.fire(uri);
    const document = await workspace.openTextDocument(uri);
    await window.showTextDocument(document, { viewColumn: ViewColumn.Beside, preview: true, preserveFocus: true });
  }
}

function nameOf(uri: string): string {
  return Uri.parse(uri).path.split("/").at(-1) ?? "";
}

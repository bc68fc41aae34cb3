// How the server is, in the status bar.
import { Disposable, StatusBarAlignment, ThemeColor, window } from "vscode";

/** What `infill/status` says; an older server says less. */
export interface Status {
  state: "loading" | "ready" | "off" | "error";
  message: string;
  model?: string | null;
  backend?: string | null;
  languages_off?: string[];
  enabled?: boolean;
  last?: { code: string; sentence: string } | null;
  working?: boolean;
}

const ICONS = {
  loading: "$(loading~spin)",
  ready: "$(check)",
  working: "$(sync~spin)",
  off: "$(circle-slash)",
  error: "$(error)",
};

export class StatusItem implements Disposable {
  private readonly item = window.createStatusBarItem("infill", StatusBarAlignment.Right);
  private readonly following = window.onDidChangeActiveTextEditor(() => this.draw());
  private status: Status = { state: "loading", message: "infill-ls is starting" };
  private lateness: string | undefined;

  constructor(command: string) {
    this.item.name = "infill";
    this.item.command = command;
    this.draw();
    this.item.show();
  }

  get current(): Status {
    return this.status;
  }

  show(status: Status): void {
    this.status = status;
    this.draw();
  }

  /** A request has been waiting for long (a sentence), or none is any more. */
  showLateness(sentence: string | undefined): void {
    if (sentence === this.lateness) return;
    this.lateness = sentence;
    this.draw();
  }

  dispose(): void {
    this.following.dispose();
    this.item.dispose();
  }

  private draw(): void {
    const { icon, sentence } = this.shown();
    this.item.text = `${ICONS[icon]} infill`;
    this.item.backgroundColor = icon === "error" ? new ThemeColor("statusBarItem.errorBackground") : undefined;
    this.item.accessibilityInformation = { label: `infill: ${sentence}` };
    const last = this.status.last ? `last: ${this.status.last.sentence}` : "";
    this.item.tooltip = [sentence, last].filter(Boolean).join("\n");
  }

  private shown(): { icon: keyof typeof ICONS; sentence: string } {
    const { state, message, working } = this.status;
    const language = window.activeTextEditor?.document.languageId;
    if (state !== "error" && this.lateness) return { icon: "error", sentence: this.lateness };
    if (state === "ready" && language && this.status.languages_off?.includes(language)) {
      return { icon: "off", sentence: `Suggestions are off in ${language}` };
    }
    return { icon: state === "ready" && working ? "working" : state, sentence: message };
  }
}

// The server's process and the connection to it: started, started again when it ends by itself, and asked.
import { ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { dirname } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as after } from "node:timers/promises";
import { languages, LogOutputChannel, Position, TextDocument, window } from "vscode";
import {
  CloseAction,
  DidChangeConfigurationNotification,
  ErrorAction,
  ExecuteCommandRequest,
  LanguageClient,
  LanguageClientOptions,
} from "vscode-languageclient/node";
import { find } from "./program";
import { Settings } from "./settings";
import { Status } from "./status";

const DOCUMENTS = [{ scheme: "file" }, { scheme: "untitled" }];
const LOGGED = /^\d{4}-\d\d-\d\d /;
const RESTARTS = { most: 3, within_ms: 3 * 60_000 };
const LATE_MS = 10_000; // after which somebody should know that there is no answer yet
const MISSING_MS = 3_000; // between two looks for a program that is not there
const END_MS = 2_000; // that a process that ends may take for its last words

/** Who is told how the server is. */
export interface Watcher {
  show(status: Status): void;
  showLateness(sentence: string | undefined): void;
  started(): unknown;
  gaveUp(sentence: string): unknown;
  missing(command: string): unknown;
}

export class Server {
  private client: LanguageClient | undefined;
  private process: ChildProcess | undefined;
  private closed: Promise<unknown[]> = Promise.resolve([]); // with its exit code or signal
  private lastWords = ""; // its latest line on stderr that is none of its log: where it ends by itself, that says why
  private ends_ms: number[] = [];
  private looking: NodeJS.Timeout | undefined;
  private changing = Promise.resolve();

  constructor(
    private readonly settings: Settings,
    private readonly log: LogOutputChannel,
    private readonly watcher: Watcher,
  ) {}

  /** One after the other, however fast settings change; one that has not come up yet is not waited for. */
  restart(): Promise<void> {
    if (this.client && !this.client.isRunning()) {
      this.client = undefined;
      this.process?.kill();
    }
    return (this.changing = this.changing.then(() => this.stop()).then(() => this.start()));
  }

  /** Where somebody asks for it, what went wrong before does not count any more. */
  restartByHand(): Promise<void> {
    this.ends_ms = [];
    return this.restart();
  }

  async stop(): Promise<void> {
    clearTimeout(this.looking);
    const { client, process } = this;
    this.client = this.process = undefined;
    await client?.dispose().catch(() => process?.kill()); // one that never came up cannot be stopped either
    await Promise.race([this.closed, after(END_MS)]);
    process?.kill();
  }

  /** Has it that command? An older server may not. */
  can(command: string): boolean {
    return this.client?.initializeResult?.capabilities.executeCommandProvider?.commands.includes(command) ?? false;
  }

  /** How it is now; where it does not say, what was known. */
  async status(known: Status): Promise<Status> {
    return (this.can("infill.status") && (await this.run<Status>("infill.status"))) || known;
  }

  /** What a command of the server returns; undefined, and a sentence for the user, where it cannot be had. */
  async run<T>(command: string, ...args: unknown[]): Promise<T | undefined> {
    if (!this.client?.isRunning()) return excuse("infill-ls is not running; its entry in the status bar says why.");
    if (!this.can(command)) return excuse(`${this.nameWithVersion()} is too old for that; update it.`);
    const failed = (error: Error) => excuse(error.message);
    return this.client.sendRequest(ExecuteCommandRequest.type, { command, arguments: args }).catch(failed);
  }

  cursorMoved(document: TextDocument, position: Position): void {
    if (!this.client || !this.can("infill.status") || !languages.match(DOCUMENTS, document)) return;
    const place = this.client.code2ProtocolConverter.asTextDocumentPositionParams(document, position);
    void this.client.sendNotification("infill/didMoveCursor", place).catch(() => undefined); // it has just ended
  }

  private async start(): Promise<void> {
    const program = await find(this.settings.command);
    if (!program) return this.lookAgainFor(this.settings.command);
    this.log.info(`starting ${program}`);
    this.watcher.show({ state: "loading", message: `${program} is starting` });
    const options = this.options(() => client);
    const client: LanguageClient = new QuietClient("infill", "infill", () => this.spawn(program), options);
    this.client = client;
    client.onNotification("infill/status", (now: Status) => this.watcher.show(now));
    try {
      await this.patiently(client.start());
      void this.greet(client);
    } catch (error) {
      await this.ended(client, error instanceof Error ? error.message : String(error));
    }
  }

  private lookAgainFor(command: string): void {
    this.watcher.missing(command);
    const look = async () => {
      if (await find(command)) return this.restart();
      this.looking = setTimeout(look, MISSING_MS);
    };
    this.looking = setTimeout(look, MISSING_MS);
  }

  // Beside the program: what a workspace holds should not matter to one that starts.
  private async spawn(program: string): Promise<ChildProcess> {
    const child = spawn(program, ["--stdio", `--clientProcessId=${process.pid}`], { cwd: dirname(program) });
    await once(child, "spawn");
    this.lastWords = "";
    this.closed = once(child, "close");
    return (this.process = child);
  }

  private async greet(client: LanguageClient): Promise<void> {
    const running = `${this.nameWithVersion()} is running`;
    const silent: Status = { state: "ready", message: `${running}; it is too old to say how it is.` };
    const useless: Status = { state: "error", message: `${running}, but too old to suggest anything; update it.` };
    const canSuggest = client.initializeResult?.capabilities.inlineCompletionProvider;
    const status = canSuggest ? await client.sendRequest<Status>("infill/status").catch(() => silent) : useless;
    if (this.client !== client) return;
    this.watcher.show(status);
    this.watcher.started();
  }

  /** It ended without being told to, or its connection is beyond repair. */
  private async ended(client: LanguageClient, why: string): Promise<void> {
    if (this.client !== client) return; // told to, or known already
    const { process } = this;
    this.client = undefined;
    const [code, signal] = await Promise.race([this.closed, after(END_MS, [])]);
    process?.kill();
    const now_ms = Date.now();
    this.ends_ms = [...this.ends_ms.filter((end_ms) => now_ms - end_ms < RESTARTS.within_ms), now_ms];
    const end = signal ?? (code === undefined ? why : `exit code ${code}`);
    const sentence = `infill-ls ended by itself: ${this.lastWords || end}`;
    this.log.error(sentence);
    if (this.ends_ms.length > RESTARTS.most) this.watcher.gaveUp(sentence);
    else void this.restart();
  }

  private heard(line: string): void {
    this.log.info(line);
    if (line.trim() && !LOGGED.test(line)) this.lastWords = line.trim();
  }

  private options(client: () => LanguageClient): LanguageClientOptions {
    const gone = (why: string) => void this.ended(client(), why);
    return {
      documentSelector: DOCUMENTS,
      initializationOptions: () => this.settings.ofUser(),
      outputChannel: this.log,
      // The server's log; it says itself what is an error.
      stdioOptions: {
        stdout: () => undefined,
        stderr: (input) => createInterface({ input }).on("line", (line) => this.heard(line)),
      },
      initializationFailedHandler: () => false, // without one, the reason would pop up
      errorHandler: {
        error: (error) => (gone(error.message), { action: ErrorAction.Shutdown, handled: true }),
        closed: () => (gone("it closed the connection"), { action: CloseAction.DoNotRestart, handled: true }),
      },
      middleware: {
        provideInlineCompletionItems: (document, position, context, token, next) =>
          this.patiently(Promise.resolve(next(document, position, context, token))),
        workspace: {
          configuration: (params) => params.items.map(() => this.settings.ofWorkspace()),
          didChangeConfiguration: async () => {
            const changed = { settings: { infill: this.settings.ofWorkspace() } };
            await client().sendNotification(DidChangeConfigurationNotification.type, changed);
          },
        },
      },
    };
  }

  /** The same promise; should it take long, that is said. */
  private async patiently<T>(answer: Promise<T>): Promise<T> {
    const sentence = `infill-ls has not answered for ${LATE_MS / 1000} s; the log may say why, and a restart may help.`;
    const timer = setTimeout(() => this.watcher.showLateness(sentence), LATE_MS);
    return answer.finally(() => {
      clearTimeout(timer);
      this.watcher.showLateness(undefined);
    });
  }

  private nameWithVersion(): string {
    const server = this.client?.initializeResult?.serverInfo;
    return [server?.name ?? "infill-ls", server?.version].filter(Boolean).join(" ");
  }
}

/** What goes wrong is said once, in one sentence, by `Watcher`; here it goes to the log only. */
class QuietClient extends LanguageClient {
  override error(message: string, data?: unknown): void {
    super.error(message, data, false);
  }
}

function excuse(sentence: string): undefined {
  void window.showWarningMessage(sentence);
}

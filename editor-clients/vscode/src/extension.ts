// Starts infill-ls and shows how it is. All that decides about suggestions is in the server, and vscode-languageclient
// asks for them and draws them.
import { createInterface } from "node:readline";
import { commands, ExtensionContext, StatusBarAlignment, StatusBarItem, window, workspace } from "vscode";
import {
  DidChangeConfigurationNotification,
  LanguageClient,
  LanguageClientOptions,
  TransportKind,
} from "vscode-languageclient/node";
import { find } from "./program";
import { Settings } from "./settings";

type Status = { state: "loading" | "ready" | "error" | "off"; message: string };

const ICONS = { loading: "$(loading~spin)", ready: "$(check)", error: "$(error)", off: "$(circle-slash)" };

let client: LanguageClient | undefined;

export async function activate(context: ExtensionContext): Promise<void> {
  const settings = new Settings(context);
  const log = window.createOutputChannel("infill", { log: true });
  const status = window.createStatusBarItem("infill", StatusBarAlignment.Right);
  status.name = "infill";
  status.command = "infill.showLog";

  const options: LanguageClientOptions = {
    documentSelector: [{ scheme: "file" }, { scheme: "untitled" }],
    initializationOptions: () => settings.ofUser(),
    outputChannel: log,
    // The server's log; it says itself what is an error.
    stdioOptions: {
      stdout: () => undefined,
      stderr: (input, channel) => createInterface({ input }).on("line", (line) => channel.info(line)),
    },
    middleware: {
      workspace: {
        configuration: (params) => params.items.map(() => settings.ofWorkspace()),
        didChangeConfiguration: async () => {
          const changed = { settings: { infill: settings.ofWorkspace() } };
          await client?.sendNotification(DidChangeConfigurationNotification.type, changed);
        },
      },
    },
  };

  // One after the other, however fast settings change.
  let last = Promise.resolve();
  const restart = () => (last = last.then(() => start(settings, options, status)));

  context.subscriptions.push(
    log,
    status,
    commands.registerCommand("infill.restart", restart),
    commands.registerCommand("infill.showLog", () => log.show()),
    workspace.onDidChangeConfiguration((change) => {
      if (settings.atStart.some((key) => change.affectsConfiguration(key))) restart();
    }),
  );
  await restart();
}

export function deactivate(): Promise<void> | undefined {
  return client?.dispose();
}

async function start(settings: Settings, options: LanguageClientOptions, status: StatusBarItem): Promise<void> {
  await client?.dispose().catch(() => undefined); // one that never came up cannot be stopped either
  client = undefined;
  const program = find(settings.command);
  if (!program) return tellMissing(settings.command, status);
  client = new LanguageClient("infill", "infill", { command: program, transport: TransportKind.stdio }, options);
  client.onNotification("infill/status", (now: Status) => show(status, now));
  show(status, { state: "loading", message: `${program} is starting` });
  await client.start().catch((error) => show(status, { state: "error", message: String(error.message ?? error) }));
}

function show(item: StatusBarItem, { state, message }: Status): void {
  item.text = `${ICONS[state]} infill`;
  item.tooltip = message;
  item.show();
}

function tellMissing(command: string, item: StatusBarItem): void {
  const message = `${command} was not found: install infill-ls with pipx or uv, or set infill.command to where it is.`;
  show(item, { state: "error", message });
  void window.showErrorMessage(message, "Open the setting", "Try again").then((choice) => {
    if (choice === "Open the setting") void commands.executeCommand("workbench.action.openSettings", "infill.command");
    if (choice === "Try again") void commands.executeCommand("infill.restart");
  });
}

// Starts infill-ls and shows how it is. All that decides about suggestions is in the server; vscode-languageclient asks
// for them, and VS Code draws and accepts them.
import { commands, Disposable, ExtensionContext, window, workspace } from "vscode";
import { Asked, SCHEME } from "./asked";
import { followCursor } from "./cursor";
import { showMenu } from "./menu";
import { install, tellMissing } from "./missing";
import { switchModel } from "./models";
import { Server } from "./server";
import { Settings } from "./settings";
import { StatusItem } from "./status";
import { Switches } from "./switches";

let server: Server | undefined;

export async function activate(context: ExtensionContext): Promise<void> {
  const settings = new Settings(context);
  const log = window.createOutputChannel("infill", { log: true });
  const item = new StatusItem("infillClient.menu");
  const running: Server = (server = new Server(settings, log, {
    show: (status) => item.show(status),
    showLateness: (sentence) => item.showLateness(sentence),
    started: () => switches.restore(),
    gaveUp: (sentence) => gaveUp(sentence, item),
    missing: (command) => missing(command, item),
  }));
  const switches: Switches = new Switches(running, context.globalState, () => item.current);
  const asked = new Asked(running);

  context.subscriptions.push(
    log,
    item,
    ...registered({
      trigger: () => commands.executeCommand("editor.action.inlineSuggest.trigger"),
      menu: async () => showMenu(await running.status(item.current), switches),
      showAsked: () => asked.show(),
      toggleLanguage: () => switches.toggleHere(),
      toggle: () => switches.toggleEverywhere(),
      switchModel: () => switchModel(running),
      reload: () => running.run("infill.reload"),
      restart: () => running.restartByHand(),
      install,
      showLog: () => log.show(),
      openSettings: () => commands.executeCommand("workbench.action.openSettings", `@ext:${context.extension.id}`),
    }),
    followCursor(running),
    workspace.registerTextDocumentContentProvider(SCHEME, asked),
    workspace.onDidChangeConfiguration((change) => {
      if (settings.atStart.some((key) => change.affectsConfiguration(key))) void running.restartByHand();
    }),
  );
  void welcome(context);
  await running.restart();
}

export function deactivate(): Promise<void> | undefined {
  return server?.stop();
}

// Under other names than the server's commands, which vscode-languageclient registers as the server calls them.
function registered(actions: Record<string, () => unknown>): Disposable[] {
  return Object.entries(actions).map(([name, action]) => commands.registerCommand(`infillClient.${name}`, action));
}

function missing(command: string, item: StatusItem): void {
  item.show({ state: "error", message: `${command} was not found` });
  void tellMissing(command);
}

async function gaveUp(sentence: string, item: StatusItem): Promise<void> {
  item.show({ state: "error", message: sentence });
  const [restart, showLog] = ["Start Again", "Show the Log"];
  const choice = await window.showErrorMessage(sentence, restart, showLog);
  if (choice === restart) void commands.executeCommand("infillClient.restart");
  if (choice === showLog) void commands.executeCommand("infillClient.showLog");
}

/** The walkthrough, once, unless the user wants none of any extension. */
async function welcome({ globalState, extension }: ExtensionContext): Promise<void> {
  if (globalState.get("isWelcomed")) return;
  await globalState.update("isWelcomed", true);
  if (!workspace.getConfiguration("workbench").get("welcomePage.walkthroughs.openOnInstall", true)) return;
  await commands.executeCommand("workbench.action.openWalkthrough", `${extension.id}#start`, false);
}

// The server is not there: how to get it.
import { commands, window } from "vscode";
import { DEFAULT_COMMAND, onPath } from "./program";

const PACKAGE = "infill-ls";
const INSTALLERS = { uv: `uv tool install ${PACKAGE}`, pipx: `pipx install ${PACKAGE}` };

export async function tellMissing(command: string): Promise<void> {
  const remedy = "install it, or set infill.command to where it is.";
  const message = `${command} was not found: ${remedy}`;
  const installers = command === DEFAULT_COMMAND ? installersAtHand() : [];
  const choices = installers.map((name) => `Install with ${name}`);
  const choice = await window.showErrorMessage(message, ...choices, "Open the Setting");
  if (choice === "Open the Setting") void commands.executeCommand("workbench.action.openSettings", "infill.command");
  else if (choice) typeInTerminal(INSTALLERS[installers[choices.indexOf(choice)]]);
}

/** Offers the installers that are there; as soon as the program is, it is started. */
export async function install(): Promise<void> {
  const installers = installersAtHand();
  if (installers.length === 0) {
    void window.showErrorMessage(`Neither uv nor pipx was found; install one of them, or ${PACKAGE} with pip.`);
    return;
  }
  const choice = installers.length === 1 ? installers[0] : await window.showQuickPick(installers);
  if (choice) typeInTerminal(INSTALLERS[choice as keyof typeof INSTALLERS]);
}

function installersAtHand(): (keyof typeof INSTALLERS)[] {
  return (["uv", "pipx"] as const).filter(onPath);
}

// Whoever reads the line decides whether it runs.
function typeInTerminal(line: string): void {
  const terminal = window.createTerminal({ name: PACKAGE });
  terminal.show();
  terminal.sendText(line, false);
}

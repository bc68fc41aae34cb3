// What a click on the status bar offers.
import { QuickPickItem, QuickPickItemKind, commands, window } from "vscode";
import { Status } from "./status";
import { Switches } from "./switches";

interface Entry extends QuickPickItem {
  command?: string;
}

export async function showMenu(status: Status, switches: Switches): Promise<void> {
  const entries = [...now(status), ...onAndOff(switches), ...server()];
  const choice = await window.showQuickPick(entries, { title: "infill", placeHolder: status.message });
  if (choice?.command) await commands.executeCommand(choice.command);
}

function now({ state, message, model, backend, last }: Status): Entry[] {
  return [
    group("now"),
    ...(state === "error" ? [entry(`$(error) ${message}`, "", "infillClient.showLog")] : []),
    entry("$(chip) Model", model ?? "none is loaded", "infillClient.switchModel"),
    entry("$(server-process) Backend", backend ?? "not known", "infillClient.openSettings"),
    entry("$(question) Last Answer", last?.sentence ?? "a suggestion", "infillClient.showAsked"),
  ];
}

function onAndOff(switches: Switches): Entry[] {
  const { language } = switches;
  const here = language && onOrOff(`Suggest in ${language}`, switches.isOnIn(language), "infillClient.toggleLanguage");
  return [group("suggestions"), ...(here ? [here] : []), onOrOff("Suggest", switches.isOn, "infillClient.toggle")];
}

function server(): Entry[] {
  return [
    group("server"),
    entry("$(refresh) Reload the Model", "", "infillClient.reload"),
    entry("$(debug-restart) Restart the Server", "", "infillClient.restart"),
    entry("$(output) Show the Log", "", "infillClient.showLog"),
    entry("$(gear) Settings", "", "infillClient.openSettings"),
  ];
}

function entry(label: string, description: string, command: string): Entry {
  return { label, description, command };
}

function onOrOff(label: string, isOn: boolean, command: string): Entry {
  return entry(`$(${isOn ? "check" : "circle-slash"}) ${label}`, isOn ? "on" : "off", command);
}

function group(label: string): Entry {
  return { label, kind: QuickPickItemKind.Separator };
}

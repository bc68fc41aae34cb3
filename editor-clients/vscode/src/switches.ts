// On and off: everywhere, which is a setting of the server, and in one language, which is remembered here.
import { ConfigurationTarget, Memento, window, workspace } from "vscode";
import { Server } from "./server";
import { Status } from "./status";

const EVERYWHERE = "infill.suggest.enabled";
const REMEMBERED = "languagesOff";

export class Switches {
  constructor(
    private readonly server: Server,
    private readonly memory: Memento,
    private readonly status: () => Status,
  ) {}

  /** The language of the file that is edited. */
  get language(): string | undefined {
    return window.activeTextEditor?.document.languageId;
  }

  isOnIn(language: string): boolean {
    return !(this.status().languages_off ?? this.remembered()).includes(language);
  }

  get isOn(): boolean {
    return this.status().enabled ?? workspace.getConfiguration().get(EVERYWHERE, true);
  }

  async toggleEverywhere(): Promise<void> {
    const settings = workspace.getConfiguration();
    const isWorkspaces = settings.inspect(EVERYWHERE)?.workspaceValue !== undefined;
    const target = isWorkspaces ? ConfigurationTarget.Workspace : ConfigurationTarget.Global;
    await settings.update(EVERYWHERE, !this.isOn, target);
  }

  async toggleHere(): Promise<void> {
    const { language } = this;
    if (!language) return;
    const on = !this.isOnIn(language);
    const answer = await this.server.run(on ? "infill.enable" : "infill.disable", language);
    if (answer === undefined) return;
    const others = this.remembered().filter((other) => other !== language);
    await this.memory.update(REMEMBERED, on ? others : [...others, language]);
  }

  /** Tells a server that has just started. */
  async restore(): Promise<void> {
    const off = this.server.can("infill.disable") ? this.remembered() : [];
    await Promise.all(off.map((language) => this.server.run("infill.disable", language)));
  }

  private remembered(): string[] {
    return this.memory.get(REMEMBERED, []);
  }
}

/** What main itself says; everything else is the page's. Same languages as renderer/i18n. */
export interface Texts {
  readonly showStrate: string;
  readonly quit: string;
  readonly oneRunning: (name: string) => string;
  readonly manyRunning: (count: number) => string;
  readonly keepRunning: string;
  readonly saveAndQuit: string;
  readonly notSaved: (which: string) => string;
  readonly powerOffAndQuit: string;
  readonly cancel: string;
  readonly libraryGone: (code: number) => string;
}

const en: Texts = {
  showStrate: 'Show Strate',
  quit: 'Quit…',
  oneRunning: (name) => `${name} is running.`,
  manyRunning: (count) => `${count} machines are running.`,
  keepRunning: 'Keep running in the background',
  saveAndQuit: 'Save all and quit',
  notSaved: (which) => `Not everything could be saved, so Strate goes on. ${which}`,
  powerOffAndQuit: 'Power off and quit',
  cancel: 'Cancel',
  libraryGone: (code) =>
    `The library process ended again and again (status ${code}). Running machines go on. Restart Strate to reach them; the log is in the library folder.`,
};

const fr: Texts = {
  showStrate: 'Montrer Strate',
  quit: 'Quitter…',
  oneRunning: (name) => `${name} est en marche.`,
  manyRunning: (count) => `${count} machines sont en marche.`,
  keepRunning: 'Laisser tourner en arrière-plan',
  saveAndQuit: 'Tout enregistrer et quitter',
  notSaved: (which) => `Tout n’a pas pu être enregistré ; Strate continue. ${which}`,
  powerOffAndQuit: 'Couper et quitter',
  cancel: 'Annuler',
  libraryGone: (code) =>
    `Le processus de la bibliothèque s’est arrêté à plusieurs reprises (état ${code}). Les machines en marche continuent. Redémarrez Strate pour les retrouver ; le journal est dans le dossier de la bibliothèque.`,
};

export const textsFor = (locale: string): Texts => (locale.toLowerCase().startsWith('fr') ? fr : en);

import type { libraryEn } from './library.en.ts';

export const libraryFr: Record<keyof typeof libraryEn, string> = {
  'command.moveToFolder': 'Ranger dans un dossier…',
  'command.editTags': 'Étiquettes…',
  'command.private': 'Cacher son écran dans la bibliothèque',
  'command.autostart': 'Démarrer avec Strate',
  'command.tearOff': 'Ouvrir dans sa propre fenêtre',

  'sort.label': 'Trier les machines',
  'sort.name': 'Par nom',
  'sort.used': 'Dernières utilisées d’abord',
  'sort.state': 'En marche d’abord',
  'sort.created': 'Plus récentes d’abord',
  'sort.memory': 'Plus de mémoire d’abord',

  'folder.menu': 'Dossier {{name}}',
  'folder.startAll': 'Tout démarrer',
  'folder.selectAll': 'Tout sélectionner',
  'folder.renameAsk': 'Renommer le dossier…',
  'folder.rename': 'Renommer le dossier {{name}}',
  'folder.renameTo': 'L’appeler « {{name}} »',
  'folder.dissolve': 'Le dissoudre : ses machines remontent',
  'folder.move_one': 'Ranger {{count}} machine dans un dossier',
  'folder.move_other': 'Ranger {{count}} machines dans un dossier',
  'folder.type': 'Nom du dossier ; « / » fait des dossiers dans des dossiers',
  'folder.top': 'Aucun dossier',
  'folder.new': 'Nouveau dossier « {{name}} »',

  'tags.filter': 'Ne montrer que les machines d’une étiquette',
  'tags.edit_one': 'Étiquettes de {{count}} machine',
  'tags.edit_other': 'Étiquettes de {{count}} machines',
  'tags.type': 'Nom de l’étiquette',
  'tags.add': 'Ajouter',
  'tags.takeAway': 'Retirer',
  'tags.new': 'Nouvelle étiquette « {{name}} »',

  'select.label': 'Machines sélectionnées',
  'select.one': 'Sélectionner {{name}}',
  'select.none': 'Ne rien sélectionner',
  'select.count_one': '{{count}} sélectionnée',
  'select.count_other': '{{count}} sélectionnées',

  'hit.notes': 'Dans ses notes :',
  'hit.screen': 'Sur son écran :',

  'command.attachDisk': 'Attacher un disque…',
  'drop.disk': 'Attacher comme disque',
  'drop.diskLater': 'Attacher comme disque, dès le prochain démarrage',
  'notice.attached': '{{file}} est attaché comme {{drive}}',
  'notice.attachedLater': 'L’invité le voit quand il redémarre.',

  'log.last': 'Journal de la dernière marche',
  'report.prepare': 'Préparer un rapport…',
  'report.title': 'Rapport',
  'report.hint':
    'Noms, notes, étiquettes et adresses sont omis. Rien n’est envoyé nulle part : lisez-le, ôtez-en ce que vous voulez, enregistrez-le, et donnez-le à qui vous choisissez.',
  'report.part': 'Inclure : {{name}}',
  'report.save': 'Enregistrer le rapport',
  'report.close': 'Revenir au journal',

  'preview.title': 'Machine de {{product}}',
  'preview.from': 'Là-bas',
  'preview.to': 'Ici',
  'preview.lost': 'Ce qui se perd',

  'confirm.powerOffAll.title_one': 'Couper l’alimentation de {{count}} machine ?',
  'confirm.powerOffAll.title_other': 'Couper l’alimentation de {{count}} machines ?',
  'notice.deletedAll_one': '{{count}} machine est dans la corbeille',
  'notice.deletedAll_other': '{{count}} machines sont dans la corbeille',
};

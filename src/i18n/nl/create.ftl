# De console: nieuwe exports, bestanden en beeldvoorinstellingen.

create-assets = Welke bestanden
create-source-picked = Die ik aankruis
create-source-folder = Een map of een zoekopdracht, zoals die is als de opdracht wordt aangemaakt
create-source-list = Een lijst met artikelnummers of namen
create-folder = Map
create-folders = Mappen
create-recursive = Met onderliggende mappen
create-search = Naam begint met
create-tags = Labels, gescheiden door komma's
create-type = Type
create-type-any = Alle typen
create-type-image = Afbeelding
create-type-animated = Bewegende GIF
create-type-video = Video
create-type-other = Andere bestanden
create-find = Zoeken
create-find-more = Meer zoeken
create-found = Gevonden
create-found-none = Er is niets anders gevonden. Probeer een korter begin van de naam, of een andere map.
create-none-picked = Er is nog niets aangekruist. Zoek bestanden en kruis ze aan.
create-picked-count = { $count ->
    [one] { N($count) } bestand is aangekruist:
   *[other] { N($count) } bestanden zijn aangekruist:
}
create-tick = Kruis aan:
create-tick-all = Alles of niets aankruisen
create-list = Per regel één artikelnummer, naam of kenmerk
create-list-hint = Of plak een tabel met de kolommen name, modifier, preset en outputName uit een rekenblad.
create-skip-missing = Weglaten wat niet gevonden wordt

create-format = Wat ermee gebeurt
create-convert = Omzetten
create-original = Laten zoals ze zijn geüpload
create-preset = Beeldvoorinstelling
create-no-preset = Geen voorinstelling
create-modifier = Modifier
create-modifier-hint = Bijvoorbeeld wid=800&fmt=webp&qlt=80
create-check = Controleren
create-live-fine = Dit klopt. De bestanden worden
create-meaning = Wat het betekent
create-output = De bestanden worden
create-renditions = Meer bestanden van elke afbeelding
create-renditions-hint = Elke regel maakt één bestand van elke afbeelding, in plaats van de voorinstelling en de modifier hierboven.
create-rendition = Bestand
create-rendition-name = Naam
create-rendition-preset = Voorinstelling, tussen dollartekens
create-rendition-suffix = Achtervoegsel van de bestandsnaam
create-add-rendition = Nog een bestand

create-names = Namen en omschrijving
create-name-template = Sjabloon voor de bestandsnamen
create-layout = In het archief
create-layout-flat = Alle bestanden bovenaan
create-layout-folders = In de mappen van hun bestanden
create-job-name = Naam van de opdracht
create-description = Omschrijving
create-mail = Mail
create-mail-when = Wanneer een mail wordt verstuurd
create-mail-none = Nooit
create-mail-error = Als er iets mislukt
create-mail-warning = Als er iets mislukt of een waarschuwing heeft
create-mail-completion = Aan het einde, tenzij de opdracht is gestopt
create-mail-all = Aan het einde, altijd
create-mail-to = Ontvangers, gescheiden door komma's
create-delivery = Aflevering
create-no-connections = Er is geen verbinding waaraan bestanden kunnen worden afgeleverd. Vraag de beheerder van deze dienst erom.
create-no-delivery = Nergens
create-connection = Afleveren aan
create-prefix = Map daar
create-on-existing = Als daar een ander bestand staat
create-on-existing-overwrite = Vervangen
create-on-existing-skip = Laten staan, en het bestand overslaan
create-on-existing-fail = Laten staan, en het bestand als mislukt tellen
create-manifest = Met het manifest
create-only-changed = Alleen bestanden die sinds de laatste aflevering zijn veranderd
create-on-removed = Afgeleverde bestanden verwijderen waarvan de bron weg is
create-when = Wanneer
create-when-now = Meteen
create-when-later = Eenmaal, later
create-when-repeat = Steeds weer
create-exec-time = Dag en tijd
create-words = Wanneer, in woorden
create-words-examples = Bijvoorbeeld: elke werkdag om 02:30; elke maandag en donderdag om 6 uur; op de 1e van elke maand om 03:00; elke 2 uur.
create-overlap = Als de vorige keer nog niet klaar is
create-overlap-skip = Deze keer overslaan
create-overlap-allow = Toch uitvoeren
create-time-zone = Tijdzone
create-more = Meer
create-priority = Voorrang, van -10 tot 10
create-by-default = Zoals gewoonlijk
create-skip = Overslaan
create-fail = Ze mislukken
create-on-unconvertible = Bestanden die geen afbeelding zijn
create-on-unconvertible-original = Exporteren zoals ze zijn
create-on-corrupt = Beschadigde afbeeldingen
create-on-corrupt-warn = Omzetten wat leesbaar is, met een waarschuwing
create-on-unsupported = Verzamelingen
create-on-unsupported-refuse = De opdracht weigeren
create-further = Andere velden van het exportverzoek, als JSON
create-preview = Voorbeeld
create-validate = Proberen
create-create = Aanmaken

create-no-number = Dit is geen getal.
create-no-object = Dit is geen JSON-object.
create-further-twice = Het veld { $name } heeft een plaats in het formulier. Vul het daar in.
create-no-time = Dit is geen dag en tijd. Bijvoorbeeld: 2026-12-24 02:30.
create-words-unknown = ‘{ $name }’ wordt hier niet begrepen.
create-words-no-time = De tijd ontbreekt.
create-words-invalid-time = ‘{ $name }’ is geen tijd van de dag.
create-words-different-minutes = Alle tijden van één schema moeten dezelfde minuten hebben. Maak voor elk van de andere een eigen schema.
create-words-uneven = Elke { N($count) } verdeelt de dag of het uur niet in gelijke delen.
create-words-not-understood = Deze woorden samen worden niet als schema begrepen.
create-no-pair = Regel { N($line) } heeft geen ‘{ $name }’ tussen naam en waarde.
create-changed-meanwhile = Iemand anders heeft dit intussen veranderd. Er is niets opgeslagen. Laad de pagina opnieuw om te zien hoe het nu is.
create-delete-not-sure = Kruis het vakje aan om te verwijderen.

create-trial = Wat de opdracht zou doen
create-trial-assets = Bronbestanden
create-trial-files = Bestanden
create-trial-bytes = Originelen
create-trial-failed = Zou mislukken
create-trial-skipped = Zou worden overgeslagen
create-trial-warned = Met waarschuwingen
create-trial-numbered = Genummerd, vanwege gelijke namen
create-trial-is-numbered = nummer toegevoegd
create-trial-cron = Het schema is begrepen als
create-trial-delivery = Afgeleverd aan
create-trial-items = Per bestand
create-trial-asset = Bronbestand
create-trial-action = Wat er gebeurt
create-trial-file = Bestanden
create-trial-remarks = Opmerkingen
create-trial-more = { $count ->
    [one] { N($count) } bestand meer is geprobeerd en staat niet in de lijst.
   *[other] { N($count) } bestanden meer zijn geprobeerd en staan niet in de lijst.
}
create-action-convert = Omgezet
create-action-original = Zoals geüpload
create-action-skip = Overgeslagen
create-action-fail = Mislukt
create-previews = De eerste bestanden
create-preview-original = Origineel
create-preview-result = Resultaat
create-preview-as-png = getoond als PNG
create-back-to-actions = Terug naar de knoppen
create-curl = Hetzelfde als aanroep van de API

create-top-folder = Bovenste map
create-more-folders = Er zijn meer mappen dan hier staan. Typ de map hieronder.
create-upload = Uploaden
create-upload-folder = In de map
create-upload-files = Bestanden
create-upload-drop = Of sleep ze hierheen.
create-upload-button = Uploaden
create-upload-waiting = wacht
create-upload-retrying = verbinding verbroken, gaat vanzelf verder
create-upload-done = geüpload
create-upload-again = Opnieuw proberen
create-upload-of = van
create-upload-show = De map tonen
create-no-assets = Hier zijn geen bestanden.
create-assets-list = Bestanden
create-asset-name = Naam
create-details = Details
create-changed = Veranderd
create-created = Aangemaakt
create-export-ticked = De aangekruiste exporteren
create-move-to = De aangekruiste verplaatsen naar de map
create-move = Verplaatsen
create-export-asset = Exporteren
create-download-original = Het origineel downloaden
create-change = Wijzigen
create-file-name = Bestandsnaam
create-metadata = Metadata
create-metadata-hint = Per regel één gegeven, als naam: waarde
create-record = Wat modifiers van dit bestand gebruiken
create-url-modifier = Modifier vóór die van een opdracht
create-url-post-modifier = Modifier na die van een opdracht
create-mask = Masker: een ander bestand
create-anchor = Ankerpunt, als x,y in pixels
create-resolution = Resolutie in dpi
create-thumb-type = Miniaturen: crop, fit of texture
create-thumb-res = Resolutie van miniaturen
create-user-data = Eigen tekst
create-crops = Uitsneden
create-crops-hint = Per regel één, als naam = modifier:
create-save = Opslaan
create-replace = Het bestand vervangen
create-replace-text = Naam, map en al het andere blijven. Bestaande opdrachten houden het oude bestand.
create-replace-file = Nieuw bestand
create-delete-asset = Het bestand verwijderen
create-delete-asset-text = Het verdwijnt meteen. Bestaande opdrachten houden het en lopen door.
create-sure = Ja, verwijderen
create-fact-type = Type
create-fact-pixels = Pixels
create-fact-bytes = Grootte
create-fact-mime = Mediatype
create-fact-color = Kleur en bits
create-fact-alpha = Doorzichtigheid
create-fact-resolution = Resolutie
create-fact-profile = Kleurprofiel
create-fact-members = Leden
create-fact-sha256 = SHA-256
create-fact-handle = Kenmerk
create-yes = Ja
console-done-uploaded = { $count ->
    [one] { N($count) } bestand is geüpload.
   *[other] { N($count) } bestanden zijn geüpload.
}
console-done-asset-saved = Het bestand is opgeslagen.
console-done-asset-replaced = Het bestand is vervangen.
console-done-asset-deleted = Het bestand is verwijderd.
console-done-assets-moved = { $failed ->
    [0] { $count ->
        [one] { N($count) } bestand is verplaatst.
       *[other] { N($count) } bestanden zijn verplaatst.
    }
   *[other] { N($count) } zijn verplaatst, { N($failed) } niet: ze bestaan niet meer.
}

create-presets-list = Beeldvoorinstellingen
create-no-presets = Er zijn nog geen beeldvoorinstellingen.
create-new-preset = Nieuwe voorinstelling
create-preset-name = Naam
create-preset-name-hint = Letters, cijfers, punten, streepjes en liggende streepjes
create-preset-description = Waarvoor het is
create-preset-exists = Er is al een voorinstelling met deze naam. Kies een andere naam, of wijzig die.
create-preset-call = In een modifier:
create-export-with = Hiermee exporteren
create-watermark = Watermerk
create-watermark-hint = Een bestand, met zijn naam of kenmerk
create-watermark-tiled = Herhalen over de hele afbeelding
create-try-on = Probeer het op
create-delete-preset = De voorinstelling verwijderen
create-delete-preset-text = Bestaande opdrachten houden haar.
create-all-presets = Alle voorinstellingen
create-import = Importeren
create-import-files = Bestanden
create-import-hint = Macrobestanden, attributen en catalogi van Scene7, voorinstellingen van AEM als JSON
create-import-button = Importeren
create-import-report = Alleen verslag
create-import-trial = Wat er van de bestanden zou worden. Er is niets opgeslagen.
create-import-done = Wat er van de bestanden is geworden
create-import-imported = Geïmporteerd
create-import-losses = Met verlies
create-import-refused = Geweigerd
create-import-results = Per voorinstelling
create-import-name = Voorinstelling of bestand
create-import-result = Resultaat
create-import-remarks = Opmerkingen
create-import-ok = Geïmporteerd
create-import-not = Geweigerd
console-done-preset-created = De voorinstelling is aangemaakt.
console-done-preset-saved = De voorinstelling is opgeslagen.
console-done-preset-deleted = De voorinstelling is verwijderd.

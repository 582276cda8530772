# De console: het kader, opdrachten en de pagina's over de dienst.
console-navigation = Console
console-jobs = Opdrachten
console-new-export = Nieuwe export
console-assets = Bestanden
console-presets = Beeldvoorinstellingen
console-schedules = Schema's
console-usage = Gebruik en limieten
console-connections = Verbindingen
console-keys = API-sleutels
console-users = Gebruikers
console-system = Systeem
console-api = API
console-mistakes = Dit kon niet worden opgeslagen
console-paging = Pagina's van de lijst
console-first-page = Eerste pagina
console-next-page = Volgende pagina
console-refused-wrong-state = Dit kan nu niet: de toestand is een andere. Er is niets gedaan.
console-refused-rate-limited = Dit is te vaak gevraagd. Er is niets gedaan. Wacht een minuut en probeer het opnieuw.
console-refused-busy = Dit is te vaak gevraagd. Er is niets gedaan. Wacht een minuut en probeer het opnieuw.

# Woorden die meerdere pagina's hebben.
console-state = Toestand
console-outcome = Uitkomst
console-name = Naam
console-owner = Eigenaar
console-any = Alle
console-apply = Toepassen
console-reset = Filters verwijderen
console-cancel = Annuleren
console-actions = Acties
console-time = Tijd
console-field = Veld
console-value = Waarde
console-minutes = { $count ->
    [one] { N($count) } minuut
   *[other] { N($count) } minuten
}

# De lijst met opdrachten.
console-jobs-count = { $count ->
    [one] { $shown } opdracht
   *[other] { $shown } opdrachten
}
console-jobs-empty = Er zijn nog geen opdrachten.
console-jobs-none-match = Geen opdracht past bij deze filters.
console-filters = Filters
console-name-begins = Naam begint met
console-created-from = Aangemaakt vanaf
console-created-to = Aangemaakt tot en met
console-metadata = Metadata, als sleutel:waarde
console-mistake-day = Dit is geen dag, zoals 2026-11-29.
console-mistake-owner = Er is geen gebruiker met deze naam.
console-mistake-metadata = Schrijf een sleutel, een dubbele punt en een waarde, zoals order:A-1042.
console-state-finished = Afgelopen
console-select = Kiezen
console-select-all = Alle kiezen
console-progress-title = Voortgang
console-done-of = { N($done) } van { N($total) }
console-failed-items = { N($count) } mislukt
console-warned-items = { N($count) } met waarschuwingen
console-pause-updates = Bijwerken pauzeren
console-newer-jobs = Er zijn nieuwere opdrachten. Toon ze.
console-batch = Met de gekozen opdrachten
console-refused-no-jobs = Kies ten minste één opdracht.
console-delete-title = Opdrachten verwijderen
console-delete-question = { $count ->
    [one] Deze opdracht, de bestanden en het archief ervan verdwijnen meteen.
   *[other] Deze { N($count) } opdrachten, hun bestanden en hun archieven verdwijnen meteen.
} De bronbestanden blijven. Dit kan niet ongedaan worden gemaakt.
console-done-jobs-pause = { $count ->
    [one] { N($count) } opdracht is gepauzeerd.
   *[other] { N($count) } opdrachten zijn gepauzeerd.
}{ $failed ->
    [0] {""}
   *[other] {" "}Bij { N($failed) } kon het niet: de toestand of de eigenaar staat het niet toe.
}
console-done-jobs-resume = { $count ->
    [one] { N($count) } opdracht is hervat.
   *[other] { N($count) } opdrachten zijn hervat.
}{ $failed ->
    [0] {""}
   *[other] {" "}Bij { N($failed) } kon het niet: de toestand of de eigenaar staat het niet toe.
}
console-done-jobs-stop = { $count ->
    [one] { N($count) } opdracht wordt gestopt.
   *[other] { N($count) } opdrachten worden gestopt.
}{ $failed ->
    [0] {""}
   *[other] {" "}Bij { N($failed) } kon het niet: de toestand of de eigenaar staat het niet toe.
}
console-done-jobs-run = { $count ->
    [one] { N($count) } opdracht is gestart.
   *[other] { N($count) } opdrachten zijn gestart.
}{ $failed ->
    [0] {""}
   *[other] {" "}Bij { N($failed) } kon het niet: de toestand of de eigenaar staat het niet toe.
}
console-done-jobs-retry = { $count ->
    [one] { N($count) } opdracht wordt opnieuw geprobeerd.
   *[other] { N($count) } opdrachten worden opnieuw geprobeerd.
}{ $failed ->
    [0] {""}
   *[other] {" "}Bij { N($failed) } kon het niet: de toestand of de eigenaar staat het niet toe, of er is niets mislukt.
}
console-done-jobs-delete = { $count ->
    [one] { N($count) } opdracht is verwijderd.
   *[other] { N($count) } opdrachten zijn verwijderd.
}{ $failed ->
    [0] {""}
   *[other] {" "}Bij { N($failed) } kon het niet: de eigenaar staat het niet toe.
}

# Een opdracht.
console-progress = { $done } van { $total } onderdelen, { $percent } %
console-count-total = Onderdelen
console-count-succeeded = Gelukt
console-count-failed = Mislukt
console-count-warnings = Met waarschuwingen
console-count-files = Bestanden
console-count-bytes = Grootte
console-count-eta = Resterende tijd
console-time-created = Aangemaakt
console-time-planned = Begint
console-time-started = Gestart
console-time-finished = Afgelopen
console-time-expires = Bestanden tot
console-do-pause = Pauzeren
console-do-resume = Hervatten
console-do-stop = Stoppen
console-do-run = Nu starten
console-do-retry = Wat mislukt is opnieuw proberen
console-do-delete = Verwijderen
console-retry-text = De mislukte onderdelen worden opnieuw verwerkt, in een nieuwe ronde van deze opdracht. Wat gelukt is, blijft zoals het is.
console-retry-refresh = De inhoud gebruiken die de bronbestanden nu hebben
console-delete-job-text = De opdracht, de bestanden en het archief ervan verdwijnen meteen. De bronbestanden blijven. Dit kan niet ongedaan worden gemaakt.
console-done-job-pause = De opdracht is gepauzeerd. Wat nu loopt, wordt eerst afgemaakt.
console-done-job-resume = De opdracht gaat verder.
console-done-job-stop = De opdracht wordt gestopt. Bestanden die klaar zijn, blijven.
console-done-job-run = De opdracht is gestart.
console-done-job-retry = De mislukte onderdelen worden opnieuw verwerkt.
console-done-job-delete = De opdracht is verwijderd.
console-remarks = Over het verzoek
console-tabs = Delen van de opdracht
console-tab-items = Onderdelen
console-tab-files = Bestanden
console-tab-log = Logboek
console-tab-request = Verzoek
console-tab-deliveries = Leveringen
console-items-filter = Onderdelen naar toestand
console-items-all = Alle
console-items-empty = Geen onderdeel is in deze toestand.
console-item-asset = Bronbestand
console-item-result = Resultaat
console-item-remarks = Fout en waarschuwingen
console-item-attempts = Pogingen
console-item-history = Alle pogingen
console-item-waiting = Wacht
console-item-running = Wordt gemaakt
console-item-succeeded = Klaar
console-item-failed = Mislukt
console-item-skipped = Weggelaten
console-item-stopped = Gestopt
console-attempt-succeeded = gelukt
console-attempt-failed = mislukt
console-attempt-try-again = lukte niet, er volgde nog een poging
console-attempt-crashed = het renderproces is gecrasht
console-attempt-lost = de worker reageerde niet meer
console-attempt-given-back = de worker werd afgesloten
console-attempt-stopped = gestopt
console-manifest = Manifest:
console-files-empty = Deze opdracht heeft geen bestanden.
console-file = Bestand
console-file-rendition = Rendition
console-file-details = Details
console-file-reused = Er is een bestaande rendition gebruikt.
console-log-caption = Logboek, nieuwste eerst
console-log-empty = Het logboek is leeg.
console-event = Gebeurtenis
console-create-like = Nog zo een maken
console-request-json = De opdracht als JSON
console-renditions = Renditions
console-deliveries-empty = Van deze opdracht wordt niets geleverd: hij noemt geen opslag, geen webhook en geen mail.
console-destinations = Opslag
console-connection = Verbinding
console-destination-delivering = Wordt geleverd
console-destination-done = Geleverd
console-destination-failed = Gedeeltelijk geleverd
console-destination-stopped = Gestopt
console-delivered = Geleverd
console-undelivered = Mislukt
console-unchanged = Ongewijzigd
console-left-out = Weggelaten
console-removed = Verwijderd
console-waiting = Wacht
console-undelivered-files = Bestanden die niet konden worden geleverd
console-webhooks = Webhooks
console-webhook-url = Ontvanger
console-webhook-waiting = Wacht
console-webhook-sending = Wordt verstuurd
console-webhook-delivered = Geleverd
console-webhook-failed = Opgegeven
console-next-attempt = Volgende poging:
console-run = Ronde
console-send-again = Opnieuw versturen
console-done-webhook = De webhook wordt opnieuw verstuurd.
console-mail = Mail
console-mail-waiting = Te versturen
console-mail-sent = Verstuurd
console-mail-failed = Kon niet worden verstuurd

# Systeem.
console-seconds = { $count ->
    [one] { N($count) } seconde
   *[other] { N($count) } seconden
}
console-yes = Ja
console-no = Nee
console-unknown = Onbekend
console-never = Nooit
console-engine = renderengine
console-load-again = Opnieuw laden
console-metrics = Metrieken voor Prometheus
console-health-ok = Alles werkt
console-health-no-worker = Er loopt geen worker: er wordt niets geëxporteerd
console-health-closing = De dienst wordt afgesloten
console-health-storage-full = De opslag is vol
console-health-storage = De opslag antwoordt niet
console-health-database = De database antwoordt niet
console-queue = Wachtrij van alle bedrijven
console-queue-waiting = Onderdelen die wachten
console-queue-running = Onderdelen die lopen
console-queue-oldest-wait = Langste wachttijd van een opdracht
console-queue-oldest-running = Langst lopende onderdeel
console-queue-active = Actieve opdrachten
console-queue-scheduled = Geplande opdrachten
console-queue-paused = Gepauzeerde opdrachten
console-queue-stopping = Opdrachten die worden gestopt
console-tasks = Achtergrondtaken
console-task = Taak
console-task-waiting = Wacht
console-task-running = Loopt
console-task-oldest = Langste wachttijd
console-task-seal = Afgelopen opdrachten afsluiten
console-task-sign-in-mail = Mails om in te loggen
console-task-mail = Mails over opdrachten
console-task-webhook = Webhooks
console-task-delivery = Leveringen aan opslag
console-task-import = Lijsten van imports
console-task-import-batch = Bestanden van imports
console-workers = Workers
console-worker-host = Host
console-worker-role = Rol
console-worker-version = Versie
console-worker-slots = Afbeeldingen tegelijk
console-worker-heartbeat = Laatste teken
console-failures = Fouten naar code
console-failures-caption = Mislukte onderdelen van opdrachten van je bedrijf, laatste 24 uur
console-failures-empty = In de laatste 24 uur is niets mislukt.
console-failure-code = Code
console-storage = Opslag
console-storage-free = Vrij
console-storage-damaged = Beschadigde bestanden
console-row-level-security = Row-level security scheidt bedrijven
console-sandbox = Sandbox van renderprocessen
console-sandbox-full = Volledig
console-sandbox-degraded = Onvolledig. Er ontbreekt:
console-sandbox-unknown = Er kon geen renderproces worden gestart.

# API-sleutels en gebruikers.
console-keys-empty = Er zijn nog geen sleutels.
console-user = Gebruiker
console-capabilities = Rechten
console-capabilities-text = Zonder rol en zonder keuze hier mag de sleutel alles behalve beheren.
console-key-all = alle
console-key-valid = Geldig
console-key-expired = Verlopen
console-key-revoked = Ingetrokken
console-key-until = tot
console-key-used = Laatst gebruikt
console-key-revoke = Intrekken
console-key-revoke-text = Programma's met deze sleutel en mensen die ermee zijn ingelogd worden binnen een seconde geweigerd. Dit kan niet ongedaan worden gemaakt.
console-key-keep-links = Downloadlinks die ermee zijn gemaakt blijven
console-key-new = Nieuwe sleutel
console-key-name = Waar de sleutel voor is
console-key-user = Gebruiker, als die anders heet
console-key-email = Mailadres van een nieuwe gebruiker
console-key-last-day = Laatste dag
console-key-role = Rol
console-key-no-role = Geen rol: de rechten hieronder
console-key-create = De sleutel aanmaken
console-key-created = De sleutel is aangemaakt
console-key-created-text = Kopieer hem nu: hij wordt maar één keer getoond, en de dienst bewaart hem niet.
console-key-copy = De sleutel kopiëren
console-done-key-revoke = De sleutel is ingetrokken.
console-mistake-key-name = Zeg waar de sleutel voor is.
console-users-text = Gebruikers komen met hun API-sleutel of van de identity provider van je organisatie.
console-users-empty = Er zijn nog geen gebruikers.
console-user-language = Taal
console-user-zone = Tijdzone
console-user-keys = Geldige sleutels

# Schema's.
console-schedules-empty = Er zijn nog geen schema's.
console-schedule-unnamed = Zonder naam
console-recurrence = Wanneer
console-next-run = Volgende keer
console-last-run = Laatste keer
console-schedule-active = Actief
console-schedule-paused = Gepauzeerd
console-schedule-completed = Geen keer meer
console-schedule-error = De laatste keer is mislukt
console-schedule-blocked = Wacht op de laatste opdracht
console-run-started = Gestart
console-run-skipped = Overgeslagen: de opdracht ervoor was niet afgelopen
console-run-refused = Geweigerd
console-do-schedule-pause = Pauzeren
console-do-schedule-resume = Hervatten
console-do-schedule-run = Nu uitvoeren
console-delete-schedule-text = Het wordt niet meer uitgevoerd. De opdrachten ervan blijven en gaan verder.
console-done-schedule-pause = Het schema is gepauzeerd.
console-done-schedule-resume = Het schema is hervat.
console-done-schedule-run = Er is een opdracht van het schema gestart.
console-done-schedule-delete = Het schema is verwijderd.
console-and = { $name } en { $asset }
console-every-day = elke dag om { $time }
console-every-weekday = elke werkdag om { $time }
console-every-week = elke { $day } om { $time }
console-every-month = op dag { $day } van elke maand om { $time }
console-every-month-end = op de laatste dag van elke maand om { $time }
console-every-minutes = { $count ->
    [1] elke minuut
   *[other] elke { N($count) } minuten
}
console-every-hours = { $count ->
    [1] elk uur
   *[other] elke { N($count) } uur
}
console-day-mon = maandag
console-day-tue = dinsdag
console-day-wed = woensdag
console-day-thu = donderdag
console-day-fri = vrijdag
console-day-sat = zaterdag
console-day-sun = zondag

# Gebruik en limieten, verbindingen.
console-usage-quotas = Limieten van je bedrijf
console-usage-what = Wat
console-usage-used = Gebruikt
console-usage-limit = Limiet
console-usage-share = Aandeel
console-usage-storage = Opslag
console-usage-assets = Bestanden
console-usage-jobs = Opdrachten die niet zijn afgelopen
console-usage-kinds = Waar de opslag voor wordt gebruikt
console-usage-number = Aantal
console-usage-originals = Originelen
console-usage-deleted = Originelen van verwijderde bestanden die opdrachten nog gebruiken
console-usage-replaced = Vervangen originelen die opdrachten nog gebruiken
console-usage-uploads = Onvoltooide uploads
console-usage-renditions = Renditions en miniaturen
console-no-limit = Geen limiet
console-limits = Andere limieten
console-limit-items = Onderdelen van een opdracht
console-limit-running = Onderdelen die tegelijk lopen
console-limit-schedules = Schema's
console-limit-presets = Beeldvoorinstellingen
console-limit-mails = Mails per dag
console-limit-requests = Verzoeken per minuut
console-limit-streams = Live pagina's en streams in één proces
console-limit-upload = Grootte van een geüpload bestand
console-limit-archive = Grootte van een archief
console-limit-source = Pixels van een bronafbeelding
console-limit-output = Pixels van een resultaat
console-connections-text = Opslag waaruit bestanden kunnen worden geïmporteerd, en waaraan ze kunnen worden geleverd. De beheerder van deze dienst richt ze in.
console-connections-empty = Er is geen opslag ingericht voor je bedrijf.
console-connection-kind = Soort
console-connection-read = Import
console-connection-write = Levering
console-connection-bucket = Bucket
console-connection-folder = Map
console-connection-web = Webserver

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
console-refused-wrong-state = Dit kan niet in de toestand die de opdracht nu heeft. Er is niets gedaan.
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

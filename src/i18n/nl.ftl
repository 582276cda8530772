# Nederlands.

number-group = .
number-decimal = ,
month-1 = januari
month-2 = februari
month-3 = maart
month-4 = april
month-5 = mei
month-6 = juni
month-7 = juli
month-8 = augustus
month-9 = september
month-10 = oktober
month-11 = november
month-12 = december
moment = { $day } { $month } { $year }, { $time } (tijdzone UTC)
moment-in = { $day } { $month } { $year }, { $time } (tijd in { $zone })
bytes = { $count ->
    [one] { N($count) } byte
   *[other] { N($count) } bytes
}

event-exportRequested = De exportopdracht is aangemaakt: { $items ->
    [one] { N($items) } bestand
   *[other] { N($items) } bestanden
}. { $reason }
event-modifierWarning = { $warnings ->
    [one] Een waarschuwing over de modifier geldt
   *[other] { N($warnings) } waarschuwingen over de modifier gelden
} voor { $items ->
    [one] { N($items) } bestand
   *[other] { N($items) } bestanden
}. { $reason }
event-missingSkipped = { $items ->
    [one] { N($items) } bestand bestaat niet en is weggelaten.
   *[other] { N($items) } bestanden bestaan niet en zijn weggelaten.
} { $reason }
event-exportBegun = { $run ->
    [1] De export is gestart.
   *[other] Ronde { $run } van de export is gestart.
}
event-fileExported = ‘{ $asset }’ is geëxporteerd zoals het is geüpload{ $files ->
    [one] {" "}naar { $path }.
   *[other] {" "}naar { N($files) } bestanden; het eerste is { $path }.
}
event-fileConverted = ‘{ $asset }’ is omgezet{ $files ->
    [one] {" "}naar { $path }.
   *[other] {" "}naar { N($files) } bestanden; het eerste is { $path }.
}
event-fileExportedAsOriginal = ‘{ $asset }’ kan niet worden omgezet en is geëxporteerd zoals het is geüpload naar { $path }.
event-fileWarning = ‘{ $asset }’: { $reason }
event-fileSkipped = ‘{ $asset }’ is overgeslagen. { $reason }
event-fileFailed = ‘{ $asset }’ is mislukt. { $reason }
event-fileStopped = ‘{ $asset }’ is niet geëxporteerd, omdat de export is gestopt.
event-exportPaused = De export is gepauzeerd.
event-exportResumed = De export is hervat.
event-stopRequested = Er is gevraagd om de export te stoppen.
event-runRequested = Er is gevraagd om de export meteen te starten.
event-retryRequested = { $items ->
    [0] Wat niet kon worden afgeleverd, wordt opnieuw afgeleverd.
    [one] { N($items) } mislukt bestand wordt opnieuw verwerkt.
   *[other] { N($items) } mislukte bestanden worden opnieuw verwerkt.
}{ $refreshed ->
    [0] {""}
   *[other] {" "}Voor { N($refreshed) } daarvan wordt de nieuwe inhoud gebruikt.
}{ $outdated ->
    [0] {""}
   *[other] {" "}Voor { N($outdated) } daarvan wordt de inhoud van bij het aanmaken van de opdracht gebruikt, hoewel er nieuwe inhoud is.
}
event-filesDelivered = { $delivered ->
    [one] Er is { N($delivered) } bestand afgeleverd
   *[other] Er zijn { N($delivered) } bestanden afgeleverd
} bij “{ $connection }”, { $bytes }{ $skipped ->
    [0] {""}
    [one] ; { N($skipped) } is overgeslagen, omdat er een ander bestand met die naam is
   *[other] ; { N($skipped) } zijn overgeslagen, omdat er andere bestanden met die namen zijn
}.
event-deliveryFailed = { $files ->
    [one] { N($files) } bestand kon
   *[other] { N($files) } bestanden konden
} niet worden afgeleverd bij “{ $connection }”. { $reason }
event-archiveCreated = Het archief is compleet: { $entries ->
    [one] { N($entries) } onderdeel
   *[other] { N($entries) } onderdelen
}, { $bytes }.
event-archiveFailed = Het archief kon nog niet worden geschreven; er volgt nog een poging. { $reason }
event-exportStopped = De export is gestopt voordat hij klaar was.
event-fatalError = Er kon niets worden geëxporteerd.
event-exportEnded = De export is afgelopen: { $outcome ->
    [succeeded] alle bestanden zijn geëxporteerd.
    [succeededWithWarnings] hij is gelukt, met waarschuwingen.
    [partiallyFailed] sommige bestanden zijn mislukt.
    [failed] hij is mislukt.
    [stopped] hij is gestopt.
   *[other] { $outcome }.
}
event-emailSent = Er is een mail gestuurd naar { $to }.
event-emailFailed = Er is geen mail gestuurd naar { $to }. { $detail }

reason-unchanged = De bestanden zijn ongewijzigd sinds ze zijn afgeleverd.
reason-delivery-failed = Het bestand kon niet worden afgeleverd.
reason-truncated = Het bestand houdt eerder op dan de afbeelding.
reason-corrupt = De gegevens van de afbeelding zijn beschadigd.
reason-unsupported-format = Bestanden van dit type kunnen niet worden omgezet.
reason-profile-missing = Een kleurprofiel dat in de modifier staat, bestaat niet meer.
reason-unsupported-color = De kleurruimte van de afbeelding wordt niet ondersteund.
reason-source-too-large = De afbeelding is groter dan is toegestaan.
reason-output-too-large = De gevraagde afbeelding is groter dan is toegestaan.
reason-encode-failed = De afbeelding kon niet worden geschreven in het gevraagde formaat.
reason-jpeg-size = Zelfs met de laagste kwaliteit is de JPEG groter dan `jpegSize` toestaat.
reason-render-crashed = Het omzetten is door een fout afgebroken.
reason-render-timeout = Het omzetten duurde langer dan is toegestaan.
reason-render-memory = Het omzetten had meer geheugen nodig dan is toegestaan.
reason-original-missing = Het opgeslagen origineel ontbreekt.
reason-corrupt-original = Het opgeslagen origineel is beschadigd.
reason-poison = Het omzetten is steeds opnieuw afgebroken, en daarom opgegeven.
reason-lost = De processen die dit bestand verwerkten, reageerden steeds opnieuw niet meer.
reason-stopped = De export is gestopt voordat dit bestand was verwerkt.
reason-invalid-modifier = De modifier kan niet op deze afbeelding worden toegepast.
reason-source-missing = In de modifier staat een ander bestand, dat niet bestaat.
reason-storage-full = De opslag is vol.
reason-storage-quota = De opslaglimiet van het bedrijf is bereikt.
reason-unavailable = De database of de opslag reageerde niet.
reason-internal = Interne fout. In het logboek van de dienst staan details.
reason-alpha-flattened = De transparantie is vervangen door de achtergrond, omdat het formaat geen transparantie kent.
reason-exported-as-original = Het bestand is geen afbeelding en is geëxporteerd zoals het is geüpload.
reason-skipped-unsupported = Dit type kan niet worden geëxporteerd.
reason-skipped-missing = Het bestand bestaat niet. Misschien is het verwijderd.
reason-profile-ignored = Het kleurprofiel van de afbeelding is onbruikbaar en genegeerd; de kleuren zijn niet omgerekend.
reason-corrupt-source = De afbeelding is beschadigd; het leesbare deel is omgezet.
reason-profile-assumed = De afbeelding heeft geen kleurprofiel; er is uitgegaan van sRGB.
reason-metadata-dropped = Gevraagde metadata zijn weggelaten, omdat het formaat ze niet kan bevatten.
reason-naive-colors = CMYK is bij benadering omgerekend: er is geen profiel.
reason-nothing-trimmed = Er is geen product op een effen achtergrond gevonden; het hele beeld is gebruikt.
reason-frames-left-out = Alleen het eerste beeld of de eerste pagina is gebruikt.
reason-source-irregular = Het bestand is onregelmatig in een deel dat niet wordt gebruikt; geen pixel hoefde geraden te worden.
reason-raw-preview-used = Het bestand is een cameraraw; het grootste ingesloten voorbeeld is gebruikt.
reason-ignored-command = De modifier heeft een opdracht zonder effect.
reason-unknown-parameter = De modifier heeft een onbekende parameter, die is genegeerd.
reason-profile-replaced = Het kleurprofiel is niet geïnstalleerd; een ander voor dezelfde drukomstandigheden is gebruikt.

mail-subject-succeeded = Export "{ $name }" is klaar: { $files ->
    [one] { N($files) } bestand
   *[other] { N($files) } bestanden
}
mail-subject-succeededWithWarnings = Export "{ $name }" is klaar, met waarschuwingen: { $files ->
    [one] { N($files) } bestand
   *[other] { N($files) } bestanden
}
mail-subject-partiallyFailed = Export "{ $name }" is deels mislukt: { N($failed) } van { $total ->
    [one] { N($total) } bestand
   *[other] { N($total) } bestanden
}
mail-subject-failed = Export "{ $name }" is mislukt
mail-subject-stopped = Export "{ $name }" is gestopt
mail-headline-succeeded = Je export "{ $name }" is klaar.
mail-headline-succeededWithWarnings = Je export "{ $name }" is klaar. { N($warnings) } van { $total ->
    [one] { N($total) } bestand
   *[other] { N($total) } bestanden
} { $warnings ->
    [one] heeft
   *[other] hebben
} een waarschuwing; zie het manifest.
mail-headline-partiallyFailed = Je export "{ $name }" is gedeeltelijk klaar: { N($failed) } van { $total ->
    [one] { N($total) } bestand
   *[other] { N($total) } bestanden
} { $failed ->
    [one] is
   *[other] zijn
} mislukt.
mail-headline-failed = Je export "{ $name }" is mislukt. Er is niets om te downloaden.
mail-headline-stopped = Je export "{ $name }" is gestopt voordat hij klaar was.
mail-requester = Aangevraagd door
mail-assets = Bestanden
mail-succeeded = Gelukt
mail-failed = Mislukt
mail-skipped = Overgeslagen
mail-stopped = Gestopt
mail-warnings = Waarschuwingen
mail-warnings-on = bij { $count ->
    [one] { N($count) } bestand
   *[other] { N($count) } bestanden
}
mail-files = Resultaat
mail-files-none = niets
mail-files-size = { $count ->
    [one] { N($count) } bestand
   *[other] { N($count) } bestanden
} ({ $size })
mail-download = Bekijk en download { $files ->
    [1] het bestand
   *[other] de bestanden
} (ongeveer { $size })
mail-download-until = Bekijk en download { $files ->
    [1] het bestand
   *[other] de bestanden
} (ongeveer { $size }), beschikbaar tot { $until }
mail-see = Bekijk wat er is gebeurd
mail-what-failed = Wat is mislukt
mail-what-failed-first = Wat is mislukt (de eerste { N($shown) } van { N($all) })
mail-modifier-warnings = Waarschuwingen over de modifier
mail-import-headline-succeeded = De import { $name } is klaar: { $imported ->
    [0] er was niets nieuws
    [1] 1 bestand is geïmporteerd
   *[other] { N($imported) } bestanden zijn geïmporteerd
}
mail-import-headline-partiallyFailed = De import { $name } is klaar, en sommige bestanden zijn mislukt
mail-import-headline-failed = De import { $name } is mislukt
mail-import-headline-stopped = De import { $name } is gestopt
mail-import-found = Gevonden
mail-import-imported = Geïmporteerd
mail-import-link = Bekijk de import
mail-import-footer = Verstuurd door Offprint vanwege de notifyEmails van de import.
mail-archive = Bestanden, archief { $number } van { $total }
mail-manifest = Resultaten per bestand
mail-job = De exportopdracht
mail-care = Iedereen die deze link heeft, kan de bestanden downloaden zonder in te loggen. Deel hem dus met zorg.
mail-fetch = Op de opdrachtregel:
mail-footer = Exportopdracht { $job }. Verstuurd door Offprint vanwege de emailSetting van de opdracht.
mail-footer-requester = Exportopdracht { $job }, aangemaakt door { $who }. Verstuurd door Offprint vanwege de emailSetting van de opdracht.

page-skip = Naar de inhoud
page-request-id = Kenmerk van het verzoek
page-copy = Opdracht kopiëren
page-copied = Gekopieerd

page-start-title = Exporteer veel opgeslagen afbeeldingen in één opdracht
page-start-text = Offprint bewaart afbeeldingen, exporteert er zoveel je wilt in één opdracht, zoals ze zijn of omgezet, en levert ze als losse bestanden of als één zip.
page-start-link = Heb je een link gekregen? Open hem zoals hij in de mail staat: je hebt er geen account voor nodig.
page-start-console = Open de console
page-start-programmers = Voor programmeurs
page-start-swagger = Probeer de API in de browser
page-start-document = OpenAPI-document
page-start-health = Status van de dienst
page-start-open = Deze dienst is open: iedereen die erbij kan, mag hem gebruiken, zonder in te loggen.
page-start-jobs = Exportopdrachten (JSON)
page-start-assets = Bestanden (JSON)
page-start-info = Versie en grenzen (JSON)
page-start-keys = Programma's hebben een API-sleutel nodig. Vraag er een aan de beheerder van deze dienst.

page-link-from = Van
page-link-job = Deel van
page-link-until = Beschikbaar tot
page-link-waiting = Je kunt deze pagina verlaten en later terugkomen: de export gaat door.
page-link-files = Bestanden
page-link-more-files = Meer bestanden
page-link-first-files = Eerste bestanden
page-link-failures = Wat is mislukt
page-link-resume-title = Als de download wordt afgebroken
page-link-resume = Start hem opnieuw in de downloadlijst van je browser: hij gaat verder waar hij was gebleven. Of op de opdrachtregel:
page-link-too-large = De bestanden zijn te groot voor één zip. Download ze hieronder een voor een.
page-link-care = Iedereen die deze link heeft, kan de bestanden downloaden. Deel hem dus met zorg.
page-more-failures = { $count ->
    [one] Nog { N($count) } fout staat in het manifest, in de zip.
   *[other] Nog { N($count) } fouten staan in het manifest, in de zip.
}
page-download-zip = Download { $files ->
    [one] { N($files) } bestand
   *[other] alle { N($files) } bestanden
} als zip ({ $size })
page-download-file = Download het bestand ({ $size })
page-file-waiting = Nog niet klaar
page-file-ready = Klaar
page-file-ready-text = Het bestand kan worden gedownload.
page-file-absent = Niet beschikbaar
page-file-absent-text = De export is afgelopen zonder dit bestand.
page-state-scheduled = Gepland
page-state-queued = Wacht
page-state-running = Wordt gemaakt
page-state-paused = Gepauzeerd
page-state-stopping = Wordt gestopt
page-state-finishing = Bijna klaar
page-progress = { N($done) } van { $total ->
    [one] { N($total) } afbeelding is klaar.
   *[other] { N($total) } afbeeldingen zijn klaar.
}
page-progress-scheduled = De export begint op { $time }.
page-eta-soon = Nog ongeveer een minuut.
page-eta = Nog ongeveer { $minutes ->
    [one] { N($minutes) } minuut.
   *[other] { N($minutes) } minuten.
}
page-outcome-succeeded = Klaar
page-outcome-succeeded-text = { $total ->
    [one] De afbeelding is geëxporteerd.
   *[other] Alle { N($total) } afbeeldingen zijn geëxporteerd.
}
page-outcome-succeededWithWarnings = Klaar, met waarschuwingen
page-outcome-succeededWithWarnings-text = { $warnings ->
    [0] Sommige afbeeldingen zijn weggelaten; in het manifest in de zip staat welke.
    [one] { N($warnings) } afbeelding heeft een waarschuwing; in het manifest in de zip staat waarom.
   *[other] { N($warnings) } afbeeldingen hebben een waarschuwing; in het manifest in de zip staat waarom.
}
page-outcome-partiallyFailed = Gedeeltelijk klaar
page-outcome-partiallyFailed-text = { N($failed) } van { $total ->
    [one] { N($total) } afbeelding
   *[other] { N($total) } afbeeldingen
} { $failed ->
    [one] is
   *[other] zijn
} mislukt.
page-outcome-failed = Mislukt
page-outcome-failed-text = Er kon geen afbeelding worden geëxporteerd. Vraag de afzender om een nieuwe link.
page-outcome-stopped = Gestopt
page-outcome-stopped-text = De export is gestopt voordat hij klaar was.

page-error-retry = Probeer het opnieuw over
page-error-link-unknown-title = Deze link is niet bekend
page-error-link-unknown-text = Kijk of het hele adres is gekopieerd, tot de laatste letter. Of vraag de afzender om een nieuwe link.
page-error-link-expired-title = Deze link is verlopen
page-error-link-expired-text = De bestanden kunnen niet meer worden gedownload. Vraag de afzender om een nieuwe link.
page-error-link-revoked-title = Deze link is ingetrokken
page-error-link-revoked-text = De afzender heeft hem beëindigd. Vraag de afzender om een nieuwe link.
page-error-results-expired-title = De bestanden worden niet meer bewaard
page-error-results-expired-text = De bestanden van deze export zijn verwijderd toen hun tijd om was. Vraag de afzender om een nieuwe export.
page-error-not-finished-title = Nog niet klaar
page-error-not-finished-text = De export loopt nog. Open deze pagina straks opnieuw.
page-error-archive-too-large-title = Te groot voor één zip
page-error-archive-too-large-text = Download de bestanden een voor een.
page-error-damaged-title = Dit bestand is beschadigd
page-error-damaged-text = Het opgeslagen bestand is niet meer wat het was, en wordt daarom niet geleverd. Meld het aan de afzender.
page-error-foreign-origin-title = Laad de pagina opnieuw
page-error-foreign-origin-text = Het formulier was verouderd, of kwam van een andere site. Er is niets gedaan. Ga terug, laad de pagina opnieuw en probeer het nog eens, met cookies toegestaan.
page-error-sign-in-title = Log eerst in
page-error-sign-in-text = Dit adres is voor mensen en programma's die hier bekend zijn.
page-error-forbidden-title = Dit mag niet
page-error-forbidden-text = Je hebt hier geen recht op. Vraag het aan de beheerder van deze dienst.
page-error-not-found-title = Hier is niets
page-error-not-found-text = Controleer het adres, of begin op de startpagina.
page-error-too-many-title = Te veel verzoeken
page-error-too-many-text = Er is niets gedaan. Wacht even en probeer het opnieuw.
page-error-unavailable-title = De dienst kan nu niet antwoorden
page-error-unavailable-text = Probeer het over een paar seconden opnieuw.
page-error-internal-title = Hier ging iets mis
page-error-internal-text = Het ligt niet aan jou. Gebeurt het nog eens, stuur dan het kenmerk hieronder aan de beheerder van deze dienst.
page-error-sign-in-expired-title = Log opnieuw in
page-error-sign-in-expired-text = Deze poging was al klaar, duurde langer dan 10 minuten of begon in een andere browser. Er is niemand ingelogd.
page-error-sign-in-refused-title = Je bent niet ingelogd
page-error-sign-in-refused-text = De pagina van je organisatie heeft je niet ingelogd, of je bent daar gestopt. Je kunt het opnieuw proberen.
page-error-sign-in-not-permitted-title = Je hebt hier geen toegang
page-error-sign-in-not-permitted-text = Je organisatie kent je, maar je hebt geen rechten in deze dienst. Stuur het kenmerk hieronder naar de beheerder, die de reden in het logboek vindt.
page-error-provider-failed-title = Inloggen is niet gelukt
page-error-provider-failed-text = Wat de pagina van je organisatie antwoordde, is niet bruikbaar. Het ligt niet aan jou. Stuur het kenmerk hieronder naar de beheerder van deze dienst.
page-error-provider-unavailable-title = De pagina van je organisatie antwoordt niet
page-error-provider-unavailable-text = Niemand kan daar nu inloggen. Probeer het over een paar seconden opnieuw, of log op een andere manier in.
page-error-other-title = Dit is niet gelukt
page-error-other-text = De dienst heeft het verzoek niet geaccepteerd.

page-sign-in-title = Inloggen
page-sign-out = Uitloggen
page-operator = Beheerder
page-sign-in-by-provider = Met het account van je organisatie
page-sign-in-by-provider-button = Inloggen via je organisatie
page-sign-in-by-mail = Per mail
page-sign-in-by-mail-text = Je krijgt een link die één keer werkt, 15 minuten lang, in deze browser.
page-sign-in-email = Mailadres
page-sign-in-send = Stuur me een link
page-sign-in-by-key = Met een API-sleutel
page-sign-in-key = API-sleutel
page-sign-in-button = Inloggen
page-sign-in-wrong-key = Deze sleutel is niet bekend. Kijk of hij helemaal is gekopieerd.
page-sign-in-ended-key = Deze sleutel is ingetrokken of verlopen. Vraag de beheerder van deze dienst om een nieuwe.
page-sign-in-sent-title = Kijk in je mail
page-sign-in-sent-text = Als het adres bij een account hoort, is er een link onderweg. Hij werkt één keer, 15 minuten lang, in deze browser.
page-sign-in-confirm-title = Inloggen
page-sign-in-confirm-text = Je gaat inloggen als { $who } van { $name }.
page-sign-in-unknown-title = Deze link is niet bekend
page-sign-in-unknown-text = Kijk of het hele adres is gekopieerd, of vraag een nieuwe link.
page-sign-in-used-title = Deze link is al gebruikt
page-sign-in-used-text = Een link werkt één keer. Vraag een nieuwe.
page-sign-in-expired-title = Deze link is verlopen
page-sign-in-expired-text = Een link werkt 15 minuten. Vraag een nieuwe.
page-sign-in-other-browser-title = Een andere browser heeft om deze link gevraagd
page-sign-in-other-browser-text = Open de link in de browser waarin je hem hebt gevraagd, of vraag hier een nieuwe.
page-sign-in-no-rights-title = Je kunt hier niets doen
page-sign-in-no-rights-text = Je account heeft geen geldige API-sleutel meer. Vraag het aan de beheerder van deze dienst.
mail-sign-in-subject = Inloggen bij Offprint
mail-sign-in-headline = Inloggen als { $who } van { $name }
mail-sign-in-button = Inloggen
mail-sign-in-text = De link werkt één keer, 15 minuten lang, in de browser waarin je hem hebt gevraagd.
mail-sign-in-footer = Heb je er niet om gevraagd? Doe dan niets: zonder deze mail logt niemand in.

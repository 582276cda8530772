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
    [one] { N($items) } mislukt bestand wordt opnieuw verwerkt.
   *[other] { N($items) } mislukte bestanden worden opnieuw verwerkt.
}{ $refreshed ->
    [0] {""}
   *[other] {" "}Voor { N($refreshed) } daarvan wordt de nieuwe inhoud gebruikt.
}{ $outdated ->
    [0] {""}
   *[other] {" "}Voor { N($outdated) } daarvan wordt de inhoud van bij het aanmaken van de opdracht gebruikt, hoewel er nieuwe inhoud is.
}
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
reason-profile-ignored = Het kleurprofiel van de afbeelding is onbruikbaar en genegeerd; de kleuren zijn niet omgerekend.
reason-corrupt-source = De afbeelding is beschadigd; het leesbare deel is omgezet.
reason-profile-assumed = De afbeelding heeft geen kleurprofiel; er is uitgegaan van sRGB.
reason-metadata-dropped = Gevraagde metadata zijn weggelaten, omdat het formaat ze niet kan bevatten.
reason-naive-colors = CMYK is bij benadering omgerekend: er is geen profiel.
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
mail-download = Download { $files ->
    [1] het bestand
   *[other] de zip
} (ongeveer { $size })
mail-download-until = Download { $files ->
    [1] het bestand
   *[other] de zip
}, ongeveer { $size }, bewaard tot { $until }
mail-what-failed = Wat is mislukt
mail-what-failed-first = Wat is mislukt (de eerste { N($shown) } van { N($all) })
mail-modifier-warnings = Waarschuwingen over de modifier
mail-manifest = Resultaten per bestand
mail-job = De exportopdracht
mail-fetch = Iedereen die deze link heeft, kan de bestanden downloaden zonder in te loggen. Deel hem dus met zorg. Op de opdrachtregel:
mail-footer = Exportopdracht { $job }. Verstuurd door Offprint vanwege de emailSetting van de opdracht.
mail-footer-requester = Exportopdracht { $job }, aangemaakt door { $who }. Verstuurd door Offprint vanwege de emailSetting van de opdracht.

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
moment = { $day } { $month } { $year }, { $time } UTC
bytes = { $count ->
    [one] { N($count) } byte
   *[other] { N($count) } bytes
}

event-exportOrdered = De export is besteld: { $items ->
    [one] { N($items) } bestand
   *[other] { N($items) } bestanden
}.
event-exportBegun = { $run ->
    [1] De export is begonnen.
   *[other] Ronde { $run } van de export is begonnen.
}
event-fileExported = ‘{ $asset }’ is klaargezet zoals het is geüpload{ $files ->
    [one] , als { $path }.
   *[other] , als { N($files) } bestanden; het eerste is { $path }.
}
event-fileConverted = ‘{ $asset }’ is omgezet{ $files ->
    [one] {" "}naar { $path }.
   *[other] {" "}naar { N($files) } bestanden; het eerste is { $path }.
}
event-fileExportedAsOriginal = ‘{ $asset }’ kan niet worden omgezet en is klaargezet zoals het is geüpload, als { $path }.
event-fileWarning = ‘{ $asset }’: { $reason }
event-fileSkipped = ‘{ $asset }’ is overgeslagen. { $reason }
event-fileFailed = ‘{ $asset }’ is mislukt. { $reason }
event-fileStopped = ‘{ $asset }’ is niet afgemaakt, omdat de export is gestopt.
event-exportPaused = De export is gepauzeerd.
event-exportResumed = De export gaat verder.
event-stopRequested = De export moet stoppen.
event-runOrdered = De export moet nu beginnen.
event-retryOrdered = { $items ->
    [one] { N($items) } mislukt bestand wordt opnieuw geprobeerd.
   *[other] { N($items) } mislukte bestanden worden opnieuw geprobeerd.
}
event-archiveCreated = Het archief is compleet: { $entries ->
    [one] { N($entries) } onderdeel
   *[other] { N($entries) } onderdelen
}, { $bytes }.
event-archiveFailed = Het archief kon nog niet worden geschreven; het wordt opnieuw geprobeerd. { $reason }
event-exportStopped = De export is gestopt voordat hij klaar was.
event-fatalError = Er kon niets worden geëxporteerd.
event-exportEnded = De export is afgelopen: { $outcome ->
    [succeeded] alles is geëxporteerd.
    [succeededWithWarnings] alles is geëxporteerd, met waarschuwingen.
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
reason-profile-missing = Een kleurprofiel dat in de modifier staat, is er niet meer.
reason-unsupported-color = De kleurruimte van de afbeelding kan nog niet worden verwerkt.
reason-source-too-large = De afbeelding is groter dan is toegestaan.
reason-output-too-large = De gevraagde afbeelding is groter dan is toegestaan.
reason-encode-failed = De afbeelding kon niet worden geschreven in het gevraagde formaat.
reason-jpeg-size = Zelfs met de laagste kwaliteit is de JPEG groter dan `jpegSize` toestaat.
reason-render-crashed = Het omzetten is afgebroken door een fout.
reason-render-timeout = Het omzetten duurde langer dan is toegestaan.
reason-render-memory = Het omzetten had meer geheugen nodig dan is toegestaan.
reason-original-missing = Het bewaarde origineel is er niet.
reason-corrupt-original = Het bewaarde origineel is niet meer wat er is geüpload.
reason-poison = Het omzetten ging zo vaak zo erg mis dat het is opgegeven.
reason-lost = De processen die aan dit bestand werkten, zijn steeds weer verdwenen.
reason-stopped = De export is gestopt voordat dit bestand klaar was.
reason-invalid-modifier = De modifier past niet bij deze afbeelding.
reason-source-missing = In de modifier staat een ander bestand, dat er niet is.
reason-storage-full = De opslag is vol.
reason-unavailable = Iets wat de dienst nodig heeft, gaf geen antwoord.
reason-internal = De dienst heeft een fout gemaakt.
reason-alpha-flattened = De transparantie is op de achtergrond gelegd, omdat het formaat geen transparantie kent.
reason-exported-as-original = Het is geen afbeelding en is klaargezet zoals het is geüpload.
reason-skipped-unsupported = Dit soort kan niet worden geëxporteerd.
reason-profile-ignored = Het kleurprofiel is onbruikbaar; de getallen zijn gebleven zoals ze waren.
reason-corrupt-source = De afbeelding is beschadigd; wat leesbaar was, is omgezet.
reason-profile-assumed = De afbeelding heeft geen kleurprofiel en is als sRGB gelezen.
reason-metadata-dropped = De gevraagde metadata passen niet in het formaat.
reason-naive-colors = De inkten zijn zonder profiel omgerekend, volgens een ruwe regel.

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
} een waarschuwing; in het manifest staat welke.
mail-headline-partiallyFailed = Je export "{ $name }" is voor een deel klaar: { N($failed) } van { $total ->
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
} (ongeveer { $size }, bewaard tot { $until })
mail-what-failed = Wat is mislukt
mail-what-failed-first = Wat is mislukt (de eerste { N($shown) } van { N($all) })
mail-manifest = Elk bestand en wat ervan is geworden
mail-job = De opdracht
mail-fetch = De link werkt vanzelf: wie hem heeft, kan de bestanden ophalen. Geef hem dus met zorg door. Op de commandoregel:
mail-footer = Exportopdracht { $job }. Verstuurd door Offprint, omdat de emailSetting van de opdracht erom vraagt.
mail-footer-requester = Exportopdracht { $job }, aangevraagd door { $who }. Verstuurd door Offprint, omdat de emailSetting van de opdracht erom vraagt.

//! The sections of the console, as its navigation has them.

use crate::http::address::write_address;
use crate::http::extract::caller::Caller;
use crate::http::operations::Route;
use crate::i18n::Language;

/// A page that the navigation leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::http::pages) enum Section {
    Jobs,
    NewExport,
    Assets,
    Presets,
    Schedules,
    Usage,
    Connections,
    Keys,
    Users,
    System,
}

/// A link of the navigation.
#[derive(Debug)]
pub(in crate::http::pages) struct SectionLink {
    pub(in crate::http::pages) address: String,
    pub(in crate::http::pages) text: String,
    /// The value of `aria-current`: `page` on the page itself, `true` on those below it.
    pub(in crate::http::pages) current: Option<&'static str>,
}

impl Section {
    const ALL: [Self; 10] = [
        Self::Jobs,
        Self::NewExport,
        Self::Assets,
        Self::Presets,
        Self::Schedules,
        Self::Usage,
        Self::Connections,
        Self::Keys,
        Self::Users,
        Self::System,
    ];

    pub(in crate::http::pages) fn path(self) -> &'static str {
        match self {
            Self::Jobs => "/console/jobs",
            Self::NewExport => "/console/exports/new",
            Self::Assets => "/console/assets",
            Self::Presets => "/console/presets",
            Self::Schedules => "/console/schedules",
            Self::Usage => "/console/usage",
            Self::Connections => "/console/connections",
            Self::Keys => "/console/keys",
            Self::Users => "/console/users",
            Self::System => "/console/system",
        }
    }

    /// The message with its name, which is the title of its page, too.
    pub(super) fn message(self) -> &'static str {
        match self {
            Self::Jobs => "console-jobs",
            Self::NewExport => "console-new-export",
            Self::Assets => "console-assets",
            Self::Presets => "console-presets",
            Self::Schedules => "console-schedules",
            Self::Usage => "console-usage",
            Self::Connections => "console-connections",
            Self::Keys => "console-keys",
            Self::Users => "console-users",
            Self::System => "console-system",
        }
    }

    /// The links to the sections that there are for this caller, on the page at `path`.
    pub(super) fn list_links(self, caller: &Caller, language: &Language, path: &str) -> Vec<SectionLink> {
        let visible = Self::ALL.into_iter().filter(|section| can_open("GET", section.path(), caller));
        let link = |section: Self| SectionLink {
            address: write_address(section.path()),
            text: language.format(section.message(), &[]),
            current: (section == self).then_some(if path == section.path() { "page" } else { "true" }),
        };
        visible.map(link).collect()
    }
}

/// Whether there is an operation at this path, and the caller has the capabilities that it needs.
pub(in crate::http::pages) fn can_open(method: &str, path: &str, caller: &Caller) -> bool {
    match Route::find(method, path) {
        Route::Operation(operation) => operation.access.check(caller).is_ok(),
        Route::OtherMethod(_) | Route::Unknown => false,
    }
}

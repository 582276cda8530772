//! The redirect map of a migration, in the forms of those who redirect.

use std::collections::HashMap;
use std::fmt::Write as _;

use actix_web::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use actix_web::web::{Data, Path, Query};
use actix_web::{HttpResponse, get};
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};

use crate::app::AppState;
use crate::db;
use crate::db::address_migration::{self, RedirectRow};
use crate::http::extract::caller::Caller;
use crate::http::problem::Problem;
use crate::http::responses::{NotFoundProblem, QueryProblems};
use crate::id::MigrationId;

/// What a path in an address has to have encoded, `$` included: it begins a variable of nginx.
const PATH_ENCODED: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'#')
    .add(b'$')
    .add(b'%')
    .add(b'<')
    .add(b'>')
    .add(b'?')
    .add(b'\\')
    .add(b'^')
    .add(b'`')
    .add(b'{')
    .add(b'|')
    .add(b'}')
    .add(b'\'');

/// A form of the map.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum RedirectFormat {
    /// A table with the columns `old`, `new` and `requests`.
    #[default]
    Csv,
    /// A `map` for nginx.
    Nginx,
    /// A Worker for Cloudflare: its Bulk Redirects cannot tell queries apart.
    Cloudflare,
    /// An Edge Function for Netlify: its `_redirects` cannot tell queries without values apart.
    Netlify,
}

/// Which form of the map.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct RedirectQuery {
    /// The form: `csv`, `nginx`, `cloudflare` or `netlify`. Default: `csv`.
    #[serde(default)]
    #[param(inline, required = false)]
    format: RedirectFormat,
    /// What stands before each new path, such as `https://images.example.com/shop`. Default: `/`.
    #[param(max_length = 1000)]
    base: Option<String>,
}

/// Fetch the redirect map of a migration.
///
/// Says for each old address where its image is now. The old address is path and query, exactly as it was requested; the new
/// one is the path of the file in its job, behind `base`. Deliver or unpack the jobs there.
#[utoipa::path(
    tag = "migrations",
    operation_id = "fetchRedirects",
    params(("jobHandle" = MigrationId, Path, description = "Handle of the migration: its `migrationHandle`."), RedirectQuery),
    responses(
        (status = 200, description = "The map.", content(
            (String = "text/csv"), (String = "text/plain"), (String = "text/javascript")
        )),
        NotFoundProblem, QueryProblems,
    )
)]
#[get("/migrations/scene7/{jobHandle}/redirects")]
pub async fn fetch_redirects(
    state: Data<AppState>,
    caller: Caller,
    migration: Path<MigrationId>,
    query: Query<RedirectQuery>,
) -> Result<HttpResponse, Problem> {
    let base = parse_base(query.base.as_deref().unwrap_or_default())?;
    let mut connection = state.db.acquire().await.map_err(db::DbError::from)?;
    address_migration::fetch_migration(&mut connection, caller.company, *migration).await?;
    let redirects = address_migration::list_redirects(&mut connection, caller.company, *migration).await?;
    drop(connection);
    let format = query.format;
    let write = move || write_redirects(format, &base, &redirects);
    let text = state.compute.run(caller.company, write).await.map_err(Problem::internal)?;
    let (kind, name) = match format {
        RedirectFormat::Csv => ("text/csv; charset=utf-8", "redirects.csv"),
        RedirectFormat::Nginx => ("text/plain; charset=utf-8", "redirects.conf"),
        RedirectFormat::Cloudflare => ("text/javascript; charset=utf-8", "worker.js"),
        RedirectFormat::Netlify => ("text/javascript; charset=utf-8", "redirects.js"),
    };
    let disposition = format!("attachment; filename=\"{name}\"");
    Ok(HttpResponse::Ok()
        .insert_header((CONTENT_TYPE, kind))
        .insert_header((CONTENT_DISPOSITION, disposition))
        .body(text))
}

/// What stands before each path, without a slash at its end.
fn parse_base(text: &str) -> Result<String, Problem> {
    let is_clean =
        text.chars().all(|char| !char.is_control() && !char.is_whitespace() && !"\"'\\$;{}<>`".contains(char));
    let begins_well =
        text.is_empty() || text.starts_with('/') || text.starts_with("https://") || text.starts_with("http://");
    if is_clean && begins_well && !text.contains(['?', '#']) {
        return Ok(text.trim_end_matches('/').to_owned());
    }
    let detail = "Send a path or an address without query, such as `/images` or `https://images.example.com`.";
    Err(Problem::invalid_parameter("base", detail))
}

fn write_redirects(format: RedirectFormat, base: &str, redirects: &[RedirectRow]) -> String {
    let target = |redirect: &RedirectRow| format!("{base}/{}", utf8_percent_encode(&redirect.path, PATH_ENCODED));
    match format {
        RedirectFormat::Csv => write_csv(redirects, target),
        RedirectFormat::Nginx => write_nginx(redirects, target),
        RedirectFormat::Cloudflare => write_script(redirects, target, CLOUDFLARE_END),
        RedirectFormat::Netlify => write_script(redirects, target, NETLIFY_END),
    }
}

fn write_csv(redirects: &[RedirectRow], target: impl Fn(&RedirectRow) -> String) -> String {
    let mut text = String::from("old,new,requests\r\n");
    for redirect in redirects {
        let quote = |cell: &str| format!("\"{}\"", cell.replace('"', "\"\""));
        let _ = write!(text, "{},{},{}\r\n", quote(&redirect.address), quote(&target(redirect)), redirect.requests);
    }
    text
}

/// Keys of a `map` are compared ignoring case, so addresses that differ in case only become expressions that do not.
fn write_nginx(redirects: &[RedirectRow], target: impl Fn(&RedirectRow) -> String) -> String {
    let mut spellings: HashMap<String, usize> = HashMap::new();
    for redirect in redirects {
        *spellings.entry(redirect.address.to_lowercase()).or_default() += 1;
    }
    let longest = redirects.iter().map(|redirect| redirect.address.len()).max().unwrap_or(0);
    let bucket = (longest * 2 + 128).next_power_of_two();
    let size = (redirects.len() * 8).next_power_of_two().max(4096);
    let mut text = format!(
        "# In the block http. Then in the server that has the old addresses:\n\
         #     if ($offprint_target) {{ return 301 $offprint_target; }}\n\
         map_hash_bucket_size {bucket};\nmap_hash_max_size {size};\n\nmap $request_uri $offprint_target {{\n    default \"\";\n"
    );
    for redirect in redirects {
        let is_ambiguous = spellings.get(&redirect.address.to_lowercase()).is_some_and(|count| *count > 1);
        let key = match is_ambiguous {
            true => format!("~^{}$", escape_expression(&redirect.address)),
            false => redirect.address.clone(),
        };
        let _ = writeln!(text, "    \"{}\" \"{}\";", escape_quoted(&key), target(redirect));
    }
    text + "}\n"
}

fn escape_quoted(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"")
}

/// The text as a regular expression that matches it alone.
fn escape_expression(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for char in text.chars() {
        if "\\^$.|?*+()[]{}".contains(char) {
            escaped.push('\\');
        }
        escaped.push(char);
    }
    escaped
}

/// Behind the map of a Worker: what is not in it goes on to the origin.
const CLOUDFLARE_END: &str = "\
export default {
  async fetch(request) {
    const url = new URL(request.url);
    const target = redirects.get(url.pathname + url.search);
    return target ? Response.redirect(new URL(target, url), 301) : fetch(request);
  },
};
";

/// Behind the map of an Edge Function: what is not in it goes on to the site.
const NETLIFY_END: &str = "\
export default async (request) => {
  const url = new URL(request.url);
  const target = redirects.get(url.pathname + url.search);
  return target ? Response.redirect(new URL(target, url), 301) : undefined;
};

export const config = { path: \"/is/image/*\" };
";

/// A script with the map. Addresses are kept as a browser parses them.
fn write_script(redirects: &[RedirectRow], target: impl Fn(&RedirectRow) -> String, end: &str) -> String {
    let mut text = String::from("const redirects = new Map([\n");
    for redirect in redirects {
        let pair = serde_json::json!([redirect.address, target(redirect)]);
        let _ = writeln!(text, "  {pair},");
    }
    text + "]\n  .map(([old, path]) => {\n    const url = new URL(old, \"https://old.invalid\");\n    return [url.pathname + url.search, path];\n  }));\n\n"
        + end
}

#[cfg(test)]
mod tests {
    use super::*;

    fn redirect(address: &str, path: &str) -> RedirectRow {
        RedirectRow { address: address.into(), path: path.into(), requests: 3 }
    }

    #[test]
    fn each_form_says_the_same() {
        let map = [redirect("/is/image/A/a?$pdp$", "a/pdp $1.jpg"), redirect("/is/image/A/b?t=\"x\\y\"", "b.jpg")];
        let csv = write_redirects(RedirectFormat::Csv, "https://i.example", &map);
        assert_eq!(csv.lines().nth(1), Some("\"/is/image/A/a?$pdp$\",\"https://i.example/a/pdp%20%241.jpg\",3"));
        assert_eq!(csv.lines().nth(2), Some("\"/is/image/A/b?t=\"\"x\\y\"\"\",\"https://i.example/b.jpg\",3"));
        let nginx = write_redirects(RedirectFormat::Nginx, "", &map);
        assert!(nginx.contains("    \"/is/image/A/a?$pdp$\" \"/a/pdp%20%241.jpg\";\n"), "{nginx}");
        assert!(nginx.contains(r#"    "/is/image/A/b?t=\"x\\y\"" "/b.jpg";"#), "{nginx}");
        let worker = write_redirects(RedirectFormat::Cloudflare, "", &map);
        assert!(worker.contains(r#"["/is/image/A/b?t=\"x\\y\"","/b.jpg"],"#), "{worker}");
        assert!(write_redirects(RedirectFormat::Netlify, "", &map).contains("/is/image/*"));
    }

    #[test]
    fn addresses_that_differ_in_case_are_told_apart() {
        let map = [redirect("/is/image/A/a?$p$", "1.jpg"), redirect("/is/image/A/A?$p$", "2.jpg")];
        let nginx = write_redirects(RedirectFormat::Nginx, "", &map);
        assert!(nginx.contains(r#"    "~^/is/image/A/a\\?\\$p\\$$" "/1.jpg";"#), "{nginx}");
        assert!(nginx.contains(r#"    "~^/is/image/A/A\\?\\$p\\$$" "/2.jpg";"#), "{nginx}");
    }

    #[test]
    fn a_base_cannot_break_out_of_its_form() {
        for good in ["", "/", "/images/", "https://images.example.com/shop"] {
            assert!(parse_base(good).is_ok_and(|base| !base.ends_with('/')), "{good}");
        }
        for bad in ["images", "javascript:x", "/a\";", "/a b", "/a?b", "https://x/$y", "/a\nb"] {
            assert!(parse_base(bad).is_err(), "{bad}");
        }
    }
}

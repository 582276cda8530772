//! A render process from inside: one picture after the other, until its stdin ends.

use std::io::{self, BufRead, Write};
use std::path::Path;
use std::time::Duration;

use super::protocol::{GO, Job, OUTPUT, SOURCE, Said};
use crate::code::Code;
use crate::language::Recipe;
use crate::render::confine::{Confinement, grant_cpu};
use crate::render::develop::render;
use crate::render::failure::Failure;
use crate::render::fault::Fault;
use crate::render::header::probe;
use crate::render::plan::Plan;

/// What `offprint render-worker` does: confines itself, then renders what stdin says.
///
/// # Errors
/// When the service is no longer there to talk to.
pub fn serve(scratch: &Path, memory: u64, file: u64, fault: Option<Fault>) -> io::Result<()> {
    let (mut input, mut output) = (io::stdin().lock(), io::stdout().lock());
    say(&mut output, &Said::Ready(Confinement::build(scratch, memory, file)))?;
    let mut line = String::new();
    while read(&mut input, &mut line)? {
        let said = match plan(&line, scratch) {
            Ok((plan, width)) => {
                say(&mut output, &Said::Planned(plan.peak_bytes))?;
                if !read(&mut input, &mut line)? {
                    return Ok(());
                }
                match line.as_str() {
                    GO => finish(&plan, width, scratch, fault),
                    _ => Said::Idle,
                }
            }
            Err(failure) => Said::Failed(failure),
        };
        say(&mut output, &said)?;
    }
    Ok(())
}

/// The plan, and the source's width as it is stored.
fn plan(line: &str, scratch: &Path) -> Result<(Plan, u32), Failure> {
    let job: Job = serde_json::from_str(line)
        .map_err(|error| Failure::new(Code::Internal, format!("The render's order does not read: {error}.")))?;
    grant_cpu(Duration::from_secs(job.cpu));
    let recipe: Recipe = serde_json::from_str(&job.recipe).map_err(|_| {
        Failure::new(Code::Internal, "The recipe of this item does not read; a newer version wrote it.")
    })?;
    let header = probe(&scratch.join(SOURCE))?;
    Ok((Plan::of(&recipe, &header, &job.limits)?, header.width))
}

fn finish(plan: &Plan, width: u32, scratch: &Path, fault: Option<Fault>) -> Said {
    if let Some(fault) = fault {
        fault.strike(width);
    }
    match render(plan, &scratch.join(SOURCE), &scratch.join(OUTPUT)) {
        Ok(rendered) => Said::Rendered(rendered),
        Err(failure) => Said::Failed(failure),
    }
}

/// The next line; false at the end.
fn read(input: &mut impl BufRead, line: &mut String) -> io::Result<bool> {
    line.clear();
    Ok(input.read_line(line)? > 0)
}

fn say(output: &mut impl Write, said: &Said) -> io::Result<()> {
    let mut line = serde_json::to_vec(said)?;
    line.push(b'\n');
    output.write_all(&line)?;
    output.flush()
}

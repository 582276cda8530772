//! A render process from inside: one picture after the other, until its stdin ends.

use std::io::{self, BufRead, Write};
use std::path::Path;
use std::time::Duration;

use super::protocol::{GO, Job, SOURCE, Said, object, output};
use offprint_core::Code;
use offprint_modifiers::Recipe;
use crate::confine::{Confinement, grant_cpu};
use offprint_imaging::{Rendered, render_all};
use offprint_imaging::Failure;
use crate::fault::Fault;
use offprint_imaging::Files;
use offprint_imaging::probe;
use offprint_imaging::Plan;

/// What `offprint render-worker` does: confines itself, then renders what stdin says.
///
/// # Errors
/// When the service is no longer there to talk to.
pub fn serve(scratch: &Path, memory: u64, file: u64, fault: Option<Fault>) -> io::Result<()> {
    let (mut input, mut out) = (io::stdin().lock(), io::stdout().lock());
    say(&mut out, &Said::Ready(Confinement::build(scratch, memory, file)))?;
    let mut line = String::new();
    while read(&mut input, &mut line)? {
        let said = match Work::plan(&line, scratch) {
            Ok(work) => {
                say(&mut out, &Said::Planned(work.peak_bytes()))?;
                if !read(&mut input, &mut line)? {
                    return Ok(());
                }
                match line.as_str() {
                    GO => Said::Rendered(work.finish(scratch, fault)),
                    _ => Said::Idle,
                }
            }
            Err(failure) => Said::Failed(failure),
        };
        say(&mut out, &said)?;
    }
    Ok(())
}

/// The pictures of one source, planned.
struct Work {
    plans: Vec<Result<Plan, Failure>>,
    files: Files,
    /// The source's width as it is stored.
    width: u32,
}

impl Work {
    fn plan(line: &str, scratch: &Path) -> Result<Self, Failure> {
        let job: Job = serde_json::from_str(line)
            .map_err(|error| Failure::new(Code::Internal, format!("The render's order does not read: {error}.")))?;
        grant_cpu(Duration::from_secs(job.cpu));
        let objects = job.objects.iter().map(|pin| (pin.clone(), scratch.join(object(pin)))).collect();
        let files = Files { source: scratch.join(SOURCE), objects };
        let (header, others) = (probe(&files.source)?, files.headers());
        let plan = |text: &String| {
            let recipe: Recipe = serde_json::from_str(text).map_err(|_| {
                Failure::new(Code::Internal, "The recipe of this item does not read; a newer version wrote it.")
            })?;
            Plan::of(&recipe, &header, &others, &job.limits, &job.profiles)
        };
        Ok(Self { plans: job.recipes.iter().map(plan).collect(), files, width: header.width })
    }

    /// What it will need: the most that one picture needs, and as much again for pixels that wait at a fork.
    fn peak_bytes(&self) -> u64 {
        let each = self.plans.iter().flatten().map(|plan| plan.peak_bytes);
        each.clone().sum::<u64>().min(each.max().unwrap_or(0) * 2)
    }

    /// An answer for each picture, in their order.
    fn finish(self, scratch: &Path, fault: Option<Fault>) -> Vec<Result<Rendered, Failure>> {
        if let Some(fault) = fault {
            fault.strike(self.width);
        }
        let planned = self.plans.iter().enumerate().filter_map(|(number, plan)| Some((number, plan.as_ref().ok()?)));
        let outputs: Vec<_> = planned.map(|(number, plan)| (plan, scratch.join(output(number)))).collect();
        let pictures: Vec<_> = outputs.iter().map(|(plan, output)| (*plan, output.as_path())).collect();
        let mut rendered = render_all(&pictures, &self.files).into_iter();
        let missing = || Err(Failure::new(Code::Internal, "A picture was planned and not rendered."));
        let answer = |plan: &Result<Plan, Failure>| match plan {
            Ok(_) => rendered.next().unwrap_or_else(missing),
            Err(failure) => Err(failure.clone()),
        };
        self.plans.iter().map(answer).collect()
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

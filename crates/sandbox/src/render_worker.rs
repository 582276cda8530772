//! The render process seen from inside: one request after the other, until stdin ends.

use std::io::{self, BufRead, Write};
use std::path::Path;
use std::time::Duration;

use offprint_core::Code;
use offprint_imaging::{RenderError, RenderOutput, RenderPlan, SourceFiles, read_header_for_render, render_images};
use offprint_modifiers::Recipe;

use super::protocol::{RENDER_LINE, RenderReply, RenderRequest, SOURCE_PATH, format_object_path, format_output_path};
use crate::confinement::{Confinement, grant_cpu};
use crate::fault_injection::FaultInjection;

/// The main function of `offprint render-worker`: confines the process, then serves requests from stdin. `memory` and
/// `file` are limits in bytes.
///
/// # Errors
/// When the service has closed the pipes.
pub fn run_render_worker(scratch: &Path, memory: u64, file: u64, fault: Option<FaultInjection>) -> io::Result<()> {
    let (mut input, mut out) = (io::stdin().lock(), io::stdout().lock());
    write_reply(&mut out, &RenderReply::Ready(Confinement::confine_process(scratch, memory, file)))?;
    let mut line = String::new();
    while read_line(&mut input, &mut line)? {
        let reply = match PlannedImages::plan(&line, scratch) {
            Ok(images) => {
                write_reply(&mut out, &RenderReply::Planned(images.peak_bytes()))?;
                if !read_line(&mut input, &mut line)? {
                    return Ok(());
                }
                match line.as_str() {
                    RENDER_LINE => RenderReply::Rendered(images.render(scratch, fault)),
                    _ => RenderReply::Idle,
                }
            }
            Err(failure) => RenderReply::Failed(failure),
        };
        write_reply(&mut out, &reply)?;
    }
    Ok(())
}

/// The planned images of one source.
struct PlannedImages {
    plans: Vec<Result<RenderPlan, RenderError>>,
    files: SourceFiles,
    /// Stored width of the source, in pixels; chooses the source of a [`FaultInjection`].
    width: u32,
}

impl PlannedImages {
    fn plan(line: &str, scratch: &Path) -> Result<Self, RenderError> {
        let request: RenderRequest = serde_json::from_str(line).map_err(|error| {
            RenderError::new(Code::Internal, format!("The render request cannot be parsed: {error}."))
        })?;
        grant_cpu(Duration::from_secs(request.cpu));
        let objects = request.objects.iter().map(|pin| (pin.clone(), scratch.join(format_object_path(pin)))).collect();
        let files = SourceFiles { source: scratch.join(SOURCE_PATH), objects };
        let (header, object_headers) = (read_header_for_render(&files.source)?, files.read_headers());
        let plan = |text: &String| {
            let recipe: Recipe = serde_json::from_str(text).map_err(|_| {
                RenderError::new(
                    Code::Internal,
                    "The item's recipe cannot be parsed; it was written by a newer version.",
                )
            })?;
            RenderPlan::new(&recipe, &header, &object_headers, &request.limits, &request.profiles)
        };
        Ok(Self { plans: request.recipes.iter().map(plan).collect(), files, width: header.width })
    }

    /// Memory that rendering will need, in bytes: that of the largest plan, and at most as much again for decoded
    /// pixels that wait while another image of the same source is rendered.
    fn peak_bytes(&self) -> u64 {
        let peaks = self.plans.iter().flatten().map(|plan| plan.peak_bytes);
        peaks.clone().sum::<u64>().min(peaks.max().unwrap_or(0) * 2)
    }

    /// Renders the images. Returns a result for each, in order.
    fn render(self, scratch: &Path, fault: Option<FaultInjection>) -> Vec<Result<RenderOutput, RenderError>> {
        if let Some(fault) = fault {
            fault.trigger(self.width);
        }
        let planned = self.plans.iter().enumerate().filter_map(|(number, plan)| Some((number, plan.as_ref().ok()?)));
        let outputs: Vec<_> = planned.map(|(number, plan)| (plan, scratch.join(format_output_path(number)))).collect();
        let images: Vec<_> = outputs.iter().map(|(plan, output)| (*plan, output.as_path())).collect();
        let mut rendered = render_images(&images, &self.files).into_iter();
        let missing = || Err(RenderError::new(Code::Internal, "A planned image was not rendered."));
        let result = |plan: &Result<RenderPlan, RenderError>| match plan {
            Ok(_) => rendered.next().unwrap_or_else(missing),
            Err(failure) => Err(failure.clone()),
        };
        self.plans.iter().map(result).collect()
    }
}

/// Reads the next line; false at the end of the input.
fn read_line(input: &mut impl BufRead, line: &mut String) -> io::Result<bool> {
    line.clear();
    Ok(input.read_line(line)? > 0)
}

fn write_reply(output: &mut impl Write, reply: &RenderReply) -> io::Result<()> {
    let mut line = serde_json::to_vec(reply)?;
    line.push(b'\n');
    output.write_all(&line)?;
    output.flush()
}

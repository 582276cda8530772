//! The render process seen from inside: one request after the other, until the service closes the channel.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsFd, OwnedFd};

use offprint_core::Code;
use offprint_imaging::{
    LayerCache, RenderError, RenderOutput, RenderPlan, SourceFile, SourceFiles, read_header_for_render,
    render_images_with_cache,
};
use offprint_modifiers::Recipe;

use crate::confinement::{Confinement, LifetimeLimits};
use crate::descriptors::{LineReceiver, close_inherited_files};
use crate::fault_injection::FaultInjection;
use crate::protocol::{RENDER_LINE, RenderReply, RenderRequest};

/// The main function of `offprint render-worker`: confines the process, then serves requests from standard input, which
/// is one of a pair of sockets and takes the replies, too.
///
/// # Errors
/// When the service has closed its end, or standard input is no socket.
pub fn run_render_worker(limits: &LifetimeLimits, fault: Option<FaultInjection>) -> io::Result<()> {
    close_inherited_files();
    let input = io::stdin();
    let mut receiver = LineReceiver::new(input.as_fd())?;
    let mut output = File::from(input.as_fd().try_clone_to_owned()?);
    send_reply(&mut output, &RenderReply::Ready(Confinement::confine_process(limits, fault)))?;
    // A process serves one company, and layers are kept by the content of their files.
    let layers = LayerCache::default();
    while let Some((line, files)) = receiver.receive_line()? {
        let reply = match PlannedImages::plan(&line, files) {
            Ok(images) => {
                send_reply(&mut output, &RenderReply::Planned(images.peak_bytes()))?;
                let Some((command, _)) = receiver.receive_line()? else { return Ok(()) };
                if command == RENDER_LINE.as_bytes() {
                    RenderReply::Rendered(images.render(fault, &mut output, &layers))
                } else {
                    RenderReply::Idle
                }
            }
            Err(failure) => RenderReply::Failed(failure),
        };
        send_reply(&mut output, &reply)?;
    }
    Ok(())
}

/// The planned images of one source.
struct PlannedImages {
    plans: Vec<Result<RenderPlan, RenderError>>,
    files: SourceFiles,
    /// An empty file for each plan.
    outputs: Vec<File>,
    /// Stored width of the source, in pixels; chooses the source of a [`FaultInjection`].
    width: u32,
}

impl PlannedImages {
    fn plan(line: &[u8], descriptors: Vec<OwnedFd>) -> Result<Self, RenderError> {
        let request: RenderRequest = serde_json::from_slice(line)
            .map_err(|error| internal_error(format!("The render request cannot be parsed: {error}.")))?;
        let (files, outputs) = assign_files(&request, descriptors)?;
        let (header, object_headers) = (read_header_for_render(&files.source)?, files.read_headers());
        let plan = |text: &String| {
            let recipe: Recipe = serde_json::from_str(text).map_err(|_| {
                internal_error("The item's recipe cannot be parsed; it was written by a newer version.".into())
            })?;
            RenderPlan::new(&recipe, &header, &object_headers, &request.limits, &request.profiles)
        };
        Ok(Self { plans: request.recipes.iter().map(plan).collect(), files, outputs, width: header.width })
    }

    /// Memory that rendering will need, in bytes: that of the largest plan, and at most as much again for decoded
    /// pixels that wait while another image of the same source is rendered.
    fn peak_bytes(&self) -> u64 {
        let peaks = self.plans.iter().flatten().map(|plan| plan.peak_bytes);
        peaks.clone().sum::<u64>().min(peaks.max().unwrap_or(0) * 2)
    }

    /// Renders the images, and closes all files. Returns a result for each, in order.
    fn render(
        self,
        fault: Option<FaultInjection>,
        channel: &mut File,
        layers: &LayerCache,
    ) -> Vec<Result<RenderOutput, RenderError>> {
        if let Some(fault) = fault {
            fault.trigger(self.width, &self.outputs, channel);
        }
        let targets: Vec<(&RenderPlan, &File)> = self
            .plans
            .iter()
            .zip(&self.outputs)
            .filter_map(|(plan, output)| Some((plan.as_ref().ok()?, output)))
            .collect();
        let mut rendered = render_images_with_cache(&targets, &self.files, layers).into_iter();
        let missing = || Err(internal_error("A planned image was not rendered.".into()));
        let result = |plan: &Result<RenderPlan, RenderError>| match plan {
            Ok(_) => rendered.next().unwrap_or_else(missing),
            Err(failure) => Err(failure.clone()),
        };
        self.plans.iter().map(result).collect()
    }
}

/// Which descriptor is what: see [`RenderRequest`].
fn assign_files(request: &RenderRequest, descriptors: Vec<OwnedFd>) -> Result<(SourceFiles, Vec<File>), RenderError> {
    let expected = 1 + request.objects.len() + request.recipes.len();
    if descriptors.len() != expected {
        let count = descriptors.len();
        return Err(internal_error(format!("The render request came with {count} files instead of {expected}.")));
    }
    let mut files = descriptors.into_iter().map(File::from);
    let source = files.next().ok_or_else(|| internal_error("The render request has no source.".into()))?;
    let objects = request.objects.iter().cloned().zip(files.by_ref().map(SourceFile::from)).collect();
    Ok((SourceFiles { source: source.into(), objects }, files.collect()))
}

fn internal_error(detail: String) -> RenderError {
    RenderError::new(Code::Internal, detail)
}

fn send_reply(output: &mut File, reply: &RenderReply) -> io::Result<()> {
    let mut line = serde_json::to_vec(reply)?;
    line.push(b'\n');
    output.write_all(&line)
}

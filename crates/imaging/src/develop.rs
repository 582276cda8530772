//! The render itself: decode, the plan's steps, encode.

use std::borrow::Cow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::codec;
use super::failure::{Failure, Warning};
use super::files::Files;
use super::pixels::Pixels;
use super::plan::{Decode, Plan};
use super::step::Step;
use super::tray::Tray;
use super::turn::Turn;
use offprint_core::Code;

/// Raised whenever the same recipe and source may give other bytes than before, so that nothing stale is reused.
pub const ENGINE_VERSION: i32 = 10;

/// A rendered picture.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rendered {
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
    /// Length of the file.
    pub bytes: u64,
    /// What to know about it.
    pub warnings: Vec<Warning>,
    /// How it was made, in one line: the decoder's shrink, the steps, the estimate.
    pub plan: String,
}

/// Renders one picture into a file. The same plan and source give the same bytes each time.
///
/// # Errors
/// `truncated`, `corrupt` and the like for the source, `encode-failed` for the output; `render-crashed` when a
/// codec or we ourselves panicked. The output file may then exist and must not be used.
pub fn render(plan: &Plan, files: &Files, output: &Path) -> Result<Rendered, Failure> {
    let mut made = render_all(&[(plan, output)], files);
    made.pop().unwrap_or_else(|| Err(crashed()))
}

/// Renders several pictures of one source, each into its file: an answer for each plan, in their order.
///
/// What plans have in common is done once: they share a decode when it is the same for all of them, and then every step
/// until they part. So each file has the bytes that its plan gives alone, whatever it is rendered beside, and may be
/// reused for its recipe.
pub fn render_all(pictures: &[(&Plan, &Path)], files: &Files) -> Vec<Result<Rendered, Failure>> {
    let mut sheet = Sheet { pictures, files, damage: None, made: vec![None; pictures.len()] };
    let all: Vec<usize> = (0..pictures.len()).collect();
    for branch in forks(&all, |index| &pictures[index].0.decode) {
        // What a panic leaves without an answer has crashed.
        let _ = catch_unwind(AssertUnwindSafe(|| sheet.decode(&branch)));
    }
    sheet.made.into_iter().map(|made| made.unwrap_or_else(|| Err(crashed()))).collect()
}

fn crashed() -> Failure {
    Failure::new(Code::RenderCrashed, "Rendering this picture crashed.")
}

/// Pictures that are made together, and what became of them. A branch is those that have all been the same so far.
struct Sheet<'a> {
    pictures: &'a [(&'a Plan, &'a Path)],
    files: &'a Files,
    /// What is wrong with a source that is rendered all the same.
    damage: Option<Warning>,
    made: Vec<Option<Result<Rendered, Failure>>>,
}

/// Parts a branch into those that go on the same way, in the order of their first.
fn forks<Way: PartialEq>(branch: &[usize], way: impl Fn(usize) -> Way) -> Vec<Vec<usize>> {
    let mut forks: Vec<Vec<usize>> = Vec::new();
    for index in branch {
        match forks.iter_mut().find(|fork| way(fork[0]) == way(*index)) {
            Some(fork) => fork.push(*index),
            None => forks.push(vec![*index]),
        }
    }
    forks
}

impl Sheet<'_> {
    /// Decodes once. Where the first step cuts or resamples, rows go into it as they come, and the whole picture is held
    /// only for those that need it.
    fn decode(&mut self, branch: &[usize]) {
        if let [index] = branch
            && codec::flows(self.pictures[*index].0)
        {
            return self.flow(*index);
        }
        let decode = &self.pictures[branch[0]].0.decode;
        let mut trays = Vec::new();
        for fork in forks(branch, |index| Tray::begins(self.pictures[index].0)) {
            trays.push((Tray::of(self.pictures[fork[0]].0), fork));
        }
        let mut take = |rows: Pixels| trays.iter_mut().try_for_each(|(tray, _)| tray.take(&rows));
        self.damage = match read(decode, self.files, &mut take) {
            Ok(damage) => damage.map(|damage| Warning::new(Code::CorruptSource, damage.detail)),
            Err(failure) => return self.fail(branch, &failure),
        };
        for (tray, fork) in trays {
            let done = usize::from(Tray::begins(self.pictures[fork[0]].0).is_some());
            match tray.finish() {
                Ok(pixels) => self.go_on(pixels, &fork, done),
                Err(failure) => self.fail(&fork, &failure),
            }
        }
    }

    /// Encodes a picture while it is decoded.
    fn flow(&mut self, index: usize) {
        let (plan, output) = self.pictures[index];
        let size = (plan.width, plan.height);
        let made = codec::flow(&plan.encode, size, output, |take| read(&plan.decode, self.files, take));
        self.made[index] = Some(made.map(|(damage, bytes)| {
            let damage = damage.map(|damage| Warning::new(Code::CorruptSource, damage.detail));
            let warnings = plan.warnings.iter().cloned().chain(damage).collect();
            Rendered { width: size.0, height: size.1, bytes, warnings, plan: plan.to_string() }
        }));
    }

    /// Does the steps from this one on, then encodes. The last to go on takes the pixels, the others look at them.
    fn go_on(&mut self, pixels: Pixels, branch: &[usize], number: usize) {
        let mut forks = forks(branch, |index| self.pictures[index].0.steps.get(number));
        let Some(last) = forks.pop() else { return };
        for fork in forks {
            self.fork(Cow::Borrowed(&pixels), &fork, number);
        }
        self.fork(Cow::Owned(pixels), &last, number);
    }

    fn fork(&mut self, pixels: Cow<'_, Pixels>, branch: &[usize], number: usize) {
        let plan = self.pictures[branch[0]].0;
        let Some(step) = plan.steps.get(number) else { return self.finish(&pixels, branch) };
        match apply(step, pixels, self.files) {
            Ok(pixels) => self.go_on(pixels, branch, number + 1),
            Err(failure) => self.fail(branch, &failure),
        }
    }

    /// Encodes pictures of the same pixels.
    fn finish(&mut self, pixels: &Pixels, branch: &[usize]) {
        for index in branch {
            let (plan, output) = self.pictures[*index];
            let made = encode(plan, pixels, output);
            self.made[*index] = Some(made.map(|mut made| {
                made.warnings.extend(self.damage.clone());
                made
            }));
        }
    }

    fn fail(&mut self, branch: &[usize], failure: &Failure) {
        for index in branch {
            self.made[*index] = Some(Err(failure.clone()));
        }
    }
}

/// Rows of a source: those of a file, or what a request inside of the request makes of one. Says what is wrong with a
/// damaged file that is accepted.
fn read(
    decode: &Decode,
    files: &Files,
    take: &mut dyn FnMut(Pixels) -> Result<(), Failure>,
) -> Result<Option<Failure>, Failure> {
    let Some(inner) = &decode.inner else {
        return codec::decode(decode, files.path(decode.object.as_deref())?, take);
    };
    let mut tray = Tray::whole(&inner.decode);
    let damage = read(&inner.decode, files, &mut |rows| tray.take(&rows))?;
    let mut pixels = tray.finish()?;
    for step in &inner.steps {
        pixels = apply(step, Cow::Owned(pixels), files)?;
    }
    take(pixels.shaped(decode.color, decode.alpha, decode.bits))?;
    Ok(damage)
}

/// Decodes a whole picture that becomes a mask.
fn mask(plan: &Decode, turn: Turn, files: &Files) -> Result<Pixels, Failure> {
    let mut tray = Tray::whole(plan);
    read(plan, files, &mut |rows| tray.take(&rows))?;
    tray.finish()?.apply(&Step::Turn(turn))
}

fn apply(step: &Step, pixels: Cow<'_, Pixels>, files: &Files) -> Result<Pixels, Failure> {
    match step {
        Step::Mask { decode, turn } => pixels.into_owned().masked_by(mask(decode, *turn, files)?),
        Step::Convert(conversion) => conversion.apply(pixels.into_owned()),
        Step::Resize { from, width, height, kernel } => pixels.resize(*from, (*width, *height), *kernel),
        other => pixels.into_owned().apply(other),
    }
}

fn encode(plan: &Plan, pixels: &Pixels, output: &Path) -> Result<Rendered, Failure> {
    let (width, height) = pixels.size();
    if (width, height) != (plan.width, plan.height) {
        let detail = format!("The plan said {}x{}, the picture is {width}x{height}.", plan.width, plan.height);
        return Err(Failure::new(Code::Internal, detail));
    }
    let bytes = codec::encode(&plan.encode, pixels, output)?;
    Ok(Rendered { width, height, bytes, warnings: plan.warnings.clone(), plan: plan.to_string() })
}

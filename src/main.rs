//! The `offprint` binary: hands its arguments to [`offprint::cli`] and exits with what that answers.

fn main() -> std::process::ExitCode {
    offprint::cli::main()
}

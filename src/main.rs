//! The binary: arguments, one match, an exit code.

fn main() -> std::process::ExitCode {
    reef::cli::main()
}

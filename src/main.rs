//! The binary: arguments, one match, an exit code.

fn main() -> std::process::ExitCode {
    reef::clients::tls::trust::install_provider();
    reef::cli::main()
}

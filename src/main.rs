//! `downlink`: arguments, then configuration, then [`downlink::app::run`]; or
//! [`downlink::tool::run`], for a subcommand that is not the service.

use std::io;
use std::process::ExitCode;
use std::sync::Arc;

use downlink::app::cluster::Cluster;
use downlink::app::engine;
use downlink::app::reload::Reloader;
use downlink::app::{Hurry, Reached};
use downlink::config::invocation::Invocation;
use downlink::config::{Config, Durability};
use downlink::http::descriptors;
use downlink::http::forwarded::Proxy;
use downlink::http::inherited::{InheritError, Inherited};
use downlink::http::listener::Listeners;
use downlink::http::reading;
use downlink::http::tls::Tls;
use downlink::{app, logging, tool, top};
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Takes the least memory for buffers and rockets: see decision 17.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// Sent where a write goes beyond the limit on the size of files; the number is
/// that of Linux and of the BSDs.
const SIGXFSZ: i32 = 25;

fn main() -> ExitCode {
    // Files may take their time, and that is no reason to end.
    let hangup = listen_for_hangups();
    let invocation = logging::say_if_slow(reading::now, || Invocation::parse(std::env::args_os()));
    let config = match invocation {
        Ok(Invocation::Serve(config)) => *config,
        Ok(Invocation::Tool(tool)) => return tool::run(tool),
        Ok(Invocation::Top(words)) => return top::main(words),
        Err(error) if error.use_stderr() => {
            logging::say(&format!("{}; see --help", one_line(&error.to_string())));
            return ExitCode::from(2);
        }
        Err(help) => help.exit(),
    };
    let files = config.tls.clone();
    let tls = logging::say_if_slow(reading::now, || files.map(Tls::load).transpose());
    let tls = match tls {
        Ok(tls) => tls,
        Err(error) => {
            logging::say(&format!("error: {error}; see --help"));
            return ExitCode::from(2);
        }
    };
    let cluster = config.cluster.clone();
    let cluster =
        logging::say_if_slow(reading::now, || cluster.as_ref().map(engine::open).transpose());
    let cluster = match cluster {
        Ok(cluster) => cluster,
        Err(error) => {
            logging::say(&format!("error: {error}; see --help"));
            return ExitCode::from(2);
        }
    };
    // Before there are threads: it takes what it reads out of the environment.
    let inherited = Inherited::take(&config.manager.socket_names);
    let mut log = logging::start(config.log_format, &config.log);
    let mut runtime = config.threading().runtime();
    let runtime = runtime.max_blocking_threads(config.blocking_threads).build();
    let result = runtime.map_err(Into::into).and_then(|runtime| {
        let result = runtime.block_on(run(config, (tls, cluster), inherited, hangup));
        // Everything was joined, or else the deadline was not kept.
        runtime.shutdown_background();
        result
    });
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            log.fatal(&error);
            ExitCode::FAILURE
        }
    }
}

/// Has SIGHUP wait for its turn, in place of ending the process, from then on: one
/// that comes before there is anything to read again is obeyed once there is.
fn listen_for_hangups() -> io::Result<Signal> {
    // What is listened with outlives it, and is any runtime's.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    let _entered = runtime.enter();
    signal(SignalKind::hangup())
}

/// What is wrong with an argument and what is allowed, without the usage.
fn one_line(text: &str) -> String {
    let lines: Vec<_> =
        text.lines().map(str::trim).take_while(|line| !line.starts_with("Usage")).collect();
    let helpful = |line: &&&str| !line.is_empty() && !line.starts_with("For more information");
    lines.iter().filter(helpful).copied().collect::<Vec<_>>().join(" ")
}

async fn run(
    mut config: Config,
    (tls, cluster): (Option<Arc<Tls>>, Option<Cluster>),
    inherited: Result<Inherited, InheritError>,
    hangup: io::Result<Signal>,
) -> Result<(), Box<dyn std::error::Error>> {
    // A file that may not grow any further is an error of the write, then, as a
    // full disk is, and not the end of the process.
    let _file_too_large = signal(SignalKind::from_raw(SIGXFSZ))?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut hangup = hangup?;
    let mut reloader = Reloader::default();
    if let Some(tls) = tls.clone() {
        reloader.add("certificates", move || tls.read_again());
    }
    if !config.access.tokens.are_none() {
        let tokens = config.access.tokens.clone();
        reloader.add("tokens", move || tokens.read_again());
    }
    tokio::spawn(reloader.run(async move || hangup.recv().await));
    let reached = listen(&config, inherited?, tls.as_ref()).await?;
    say_what_starts(&config, &reached);
    if let Some(tls) = tls {
        tls.tell("TLS");
        if !reached.over_tls() {
            tracing::warn!(
                "no address speaks TLS: Unix sockets stay plain, and there are no others"
            );
        }
    }
    config.http.max_connections =
        descriptors::raise_for(config.http.max_connections, reached.admin.is_some());
    let mut told = async move || {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    };
    let shutdown = async move {
        told().await;
        Hurry::when(async move {
            told().await;
            tracing::warn!("told to stop again: what is in flight is not waited for");
        })
    };
    Ok(app::run_as(config, reached, shutdown, cluster).await?)
}

/// Listens where it was told to, or on what was passed on in place of that.
async fn listen(
    config: &Config,
    Inherited { main, admin }: Inherited,
    tls: Option<&Arc<Tls>>,
) -> Result<Reached, Box<dyn std::error::Error>> {
    let main = if main.is_empty() {
        Listeners::bind(&config.listen, config.unix_mode).await?
    } else {
        Listeners::adopt(main)?
    };
    let admin = match (admin.is_empty(), config.admin_listen.is_empty()) {
        (true, true) => None,
        (true, false) => Some(Listeners::bind(&config.admin_listen, config.unix_mode).await?),
        (false, _) => Some(Listeners::adopt(admin)?),
    };
    let with_tls = |listeners: Listeners| listeners.over_tls(tls.cloned());
    Ok(Reached { main: with_tls(main), admin: admin.map(with_tls) })
}

/// The first lines of the log: what this is, and where.
fn say_what_starts(config: &Config, Reached { main, admin }: &Reached) {
    let addresses = main.addresses();
    // Those of Unix sockets stay plain.
    let url = |address: &String| match address.strip_prefix("unix:") {
        Some(_) => address.clone(),
        None if config.tls.is_some() => format!("https://{address}"),
        None => format!("http://{address}"),
    };
    let urls: Vec<_> = addresses.iter().map(url).collect();
    let data_directory = match config.durability {
        Durability::Memory => "none".into(),
        Durability::Fsync | Durability::Os => config.data_dir.to_string_lossy(),
    };
    let cluster = config.cluster.as_ref();
    tracing::info!(
        version = %env!("CARGO_PKG_VERSION"),
        node = cluster.map(|it| it.node.as_str()),
        cluster = cluster.map(|it| it.engine.to_string()),
        url = %urls.join(","),
        %data_directory,
        durability = %config.durability,
        "downlink"
    );
    for address in addresses {
        let url = url(&address);
        tracing::info!(%address, url, inherited = main.stay(), "listening");
    }
    if config.http.of_one_client.trusted_proxies.iter().any(Proxy::is_everybody) {
        tracing::warn!(
            "--trusted-proxy takes everybody for a proxy: whoever connects says who he is, and no \
             limit of one client holds"
        );
    }
    let Some(admin) = admin else { return };
    for address in admin.addresses() {
        let url = url(&address);
        tracing::info!(%address, url, inherited = admin.stay(), "listening for operators");
    }
    if !admin.know_all() {
        tracing::warn!(
            "--admin-listen can be reached from other machines, and asks nobody who they are"
        );
    }
}

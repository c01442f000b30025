//! Everything that is claimed of the service, in one test binary: what the
//! tests share is compiled and linked once. Each module is named after its
//! claim.
//!
//! Nothing here needs a process of its own. What would, runs in one that the
//! test starts: signals, `kill -9`, the limit on the size of files, the
//! environment, the binary's allocator. What a process shares all the same is
//! its open files, with every child between its fork and its exec; `support`
//! waits for that where it matters. The `rockets` binary has a test binary of
//! its own, `tests/launcher`: it shares no code with the service, and its tests
//! none with these.
//!
//! A property that fails writes the case to `tests/proptest-regressions/` (for
//! unit tests to `proptest-regressions/`). It is to be checked in, and is tried
//! first from then on.

#![allow(
    clippy::unwrap_used,
    clippy::needless_pass_by_value,
    clippy::assigning_clones,
    clippy::format_collect,
    clippy::cast_possible_wrap,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a test may end by a panic, and says what it did; what it costs does not count, and its \
              numbers are small; it waits between looks, in threads of its own"
)]

/// A backup of a running service restores whole; a copy that is not whole is refused.
mod a_backup_restores_whole;
/// What a check finds a start would find, and nothing is changed by it.
mod a_check_changes_nothing;
/// A crash at any point of any interleaving leaves the fleet that the messages make.
mod a_crash_at_any_point_changes_nothing;
/// A disk that fails, stalls or is full is told to clients, and loses nothing acknowledged.
mod a_failing_disk_is_told;
/// A log whose reader is gone, stands still or has no room costs lines, and nothing else.
mod a_log_that_nobody_reads;
/// A memory limit holds for rockets and early messages as large as they may be.
mod a_memory_limit_is_kept;
/// A node that is new, or was away for long, takes over what a peer stored, or keeps waiting.
mod a_node_takes_over_what_a_peer_stored;
/// A restart, with any number of workers, finds what was kept; nobody else may start meanwhile.
mod a_restart_finds_what_was_kept;
/// A rocket can be forgotten, by hand or when its time is over, and nothing of it is left.
mod a_rocket_can_be_forgotten;
/// A service manager hears when the service is ready, moves and stops, and when not.
mod a_service_manager_is_told;
/// A start that was cut short, or has no room, keeps no later one from its work.
mod a_start_can_be_repeated;
/// `downlink top` shows a fleet on a terminal, and to scripts, whatever becomes of the service.
mod a_terminal_shows_the_fleet;
/// `kill -9` at any moment, again and again, loses nothing acknowledged (`just crash`).
mod acked_messages_survive_kill;
/// What is logged once a second at most is told whole, soon after, and at a stop.
mod all_is_told;
/// A data directory may have any name.
mod any_directory_will_do;
/// What attackers send is not taken for what it is not, and leaves nothing behind (`just attack`).
mod attacks;
/// What is no message is refused with the right status and a text, and changes nothing.
mod bad_input_is_refused;
/// SIGHUP has certificates read again, under load; a bad file keeps the old ones.
mod certificates_are_read_again;
/// Flags, variables, `--help` and exit codes are those of the contract.
mod command_line;
/// Bodies may come compressed, and long answers go so to those who ask.
mod compressed;
/// Clients that come once, stay, hurry, dawdle or vanish hold nobody up.
mod connections;
/// Damage to what was kept is found and named, and never passed over.
mod corruption_refuses_to_start;
/// An answer that is known early reaches clients that write before they read.
mod early_answers;
/// Every bound holds when it is reached, and its refusal says when to try again.
mod every_bound_is_reached;
/// Where places or open files run short, some are served of every address.
mod few_places;
/// Files that do not answer end no start, and hold up nothing at SIGHUP.
mod files_that_do_not_answer;
/// Rockets that wait for a missing message are listed, and what for, and since when.
mod gaps_are_listed;
/// What a rocket waits for can be declared lost, for good.
mod gaps_can_be_given_up;
/// Rockets are found by how their IDs begin, and by whether they wait.
mod ids_can_be_searched;
/// The service describes itself: routes, types and errors.
mod it_describes_itself;
/// The sources keep to their layers: no circle, no arrow up, crates in their rooms.
mod layers;
/// Who lists and watches ends with the fleet that there is, whatever is cut off in between.
mod list_and_watch_converges;
/// `GET /rockets` orders, filters and pages, and refuses what is not allowed.
mod listings;
/// A walk over all rockets leaves its thread to others, and its reader may leave.
mod listings_hold_nobody_up;
/// The manual says what each warning and error in the log means.
mod log_lines_are_explained;
/// Many messages, one a line, have the effect and the answer of each alone.
mod many_messages_in_one_request;
/// The fleet is the ordered fold of what was accepted, each message once.
mod messages_are_folded_in_order;
/// Every figure of `GET /metrics` is moved by what it counts, and tools can read it.
mod metrics_are_moved;
/// Missions in detail: how many rockets, how many exploded, how fast, whoever is first.
mod missions_in_detail;
/// What is shown how to be read is: the examples of `docs/integrations` run.
mod neighbours_watch_the_fleet;
/// When no thread is free to block, whoever needs one is answered in time.
mod no_thread_is_free;
/// Nodes that make different fleets of one log find out, and others do not.
mod nodes_compare_their_folds;
/// Several nodes on one log accept, fold and show the same.
mod nodes_fold_one_log;
/// 304 goes to who has what there is, and never to anyone else.
mod not_modified;
/// What the service cannot do without does not end without ending it, with an error.
mod nothing_essential_ends_unnoticed;
/// Nobody sees or is told anything before it is kept.
mod nothing_shows_before_it_is_kept;
/// What is unusual and still a message counts.
mod odd_input_is_accepted;
/// One client takes no more than its share, also behind a proxy, and others are served.
mod one_client_among_others;
/// What is for operators is on their address, where they give one, and nowhere else.
mod operators_have_their_own_address;
/// Orders are obeyed however many messages come.
mod orders_are_obeyed_under_load;
/// Over TLS goes what goes without; who speaks something else is told, or let go.
mod over_tls;
/// Equal pages are made once, and are as old as their readers allow.
mod pages_are_shared;
/// One rocket, missions, readiness; every other path and method leads nowhere.
mod paths_and_methods;
/// Each outcome of `POST /messages` is told to those who read it.
mod posting;
/// A power cut at any moment loses nothing acknowledged, and the next start goes on.
mod power_cuts_lose_nothing;
/// `/readyz` says what is observed, and is true again when it is well again.
mod readiness_is_observed;
/// Clients that all connect at once are all let in at once.
mod reconnecting;
/// What cannot be written for now is refused for now: locks and full disks pass.
mod refusals_pass;
/// A repeat that says something else than the first is counted and shown.
mod repeats_that_differ;
/// Each request is logged for those who ask for it, and for nobody else.
mod requests_are_logged;
/// What becomes one entry of the shared log, and what it waits for.
mod short_entries_gather;
/// The stop finishes what is in flight, in order and in time, and says how it ended.
mod shutdown;
/// Large answers that are not read hold little, and a steady reader gets all of its.
mod silent_readers;
/// Bodies that come slowly are awaited while they make progress, and hold nobody up.
mod slow_bodies;
/// Sockets that others have bound are listened on, and a restart refuses nobody there.
mod sockets_are_inherited;
/// Requests for other hosts, and from other sites' pages, are refused; browsers are told what they may.
mod strangers_are_kept_out;
/// Programs of others find nothing that is not as the service describes it.
mod strangers_ask_by_the_description;
/// With TLS those are refused who should be, on both sides, and in time.
mod strangers_get_no_tls;
/// Subscribers that come back, read slowly, leave or are many cost nobody else.
mod subscribers_come_and_go;
/// Missions, types and IDs are found by the text that a reader has.
mod texts_match_whatever_their_case;
/// Files that are deleted, moved or replaced while the service runs end acknowledgements.
mod the_directory_is_taken_away;
/// Browsers get the page and its files, and what these may load; all others a list.
mod the_page_is_served;
/// What the last messages of a rocket changed is known, within bounds, after a restart too.
mod the_recent_past;
/// TLS, tokens, hosts, origins and the operators' address hold at the same time.
mod the_walls_stand_together;
/// Who sends and who reads shows a token, where one is asked for; none is ever shown by us.
mod tokens_are_asked_for;
/// Values come from flags, variables and a file, in this order, and each says from where.
mod values_come_from_a_file;
/// What changes is told to those who listen, and they end with the service.
mod what_changes_is_told;
/// What libraries, shells and shippers send is taken, or told what is wrong with it.
mod what_clients_send;
/// What others copy to deploy the service has flags that exist and times that fit.
mod what_is_deployed;
/// A fleet that was exported and imported gives the same answers; half of one is refused.
mod what_is_exported_is_imported;
/// The dashboard and the rules name figures that there are, and Prometheus can read them.
mod what_operators_copy;
/// Names, several addresses and Unix sockets are served, and a socket's file comes and goes.
mod where_it_listens;

/// What the tests share.
mod support;

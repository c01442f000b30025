//! The shared log against etcd itself, and nodes on it: `cargo test --features etcd --test
//! cluster`. Needs etcd (Debian's etcd-server), of which it starts members of its own.

#![allow(clippy::unwrap_used, reason = "a test may panic")]
#![allow(
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "a test's own threads look again and again; its rounds are its own, and no flag, and \
              it says what they were"
)]

mod clients;
mod contract;
mod cut_links;
mod faults;
mod leader;
mod links;
mod members;
mod namespaces;
mod nodes;
mod operators;
mod rounds;
mod status;

macro_rules! contract {
    ($($name:ident),* $(,)?) => {
        mod the_contract_is_kept {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $name() {
                    let etcd = crate::members::Etcd::start(1).await;
                    crate::contract::$name(&|name| etcd.log(name)).await;
                }
            )*
        }
    };
}

contract!(
    entries_come_in_the_order_of_their_appends,
    appends_that_overlap_all_land,
    a_repeat_changes_nothing,
    a_tail_goes_on_from_everywhere,
    what_is_trimmed_is_told,
    a_log_that_is_trimmed_whole_goes_on,
    the_head_is_at_least_what_was_appended,
    what_nodes_say_is_read_by_all,
    a_log_has_a_name_of_its_own,
    a_log_that_is_behind_is_told,
    its_size_grows,
    a_reader_that_pauses_finds_all_of_it,
    many_read_the_same,
    names_of_nodes_are_checked,
);

//! The store's promises, each on PostgreSQL and on SQLite.
#![allow(clippy::unwrap_used, clippy::panic, clippy::disallowed_methods, reason = "a test")]

mod corruption;
mod database;
mod fencing;
mod opening;
mod restart;
mod saves;

/// The cases that hold on either database: each is a function that is given a fresh one.
macro_rules! on_both {
    ($($file:ident::$case:ident),* $(,)?) => {
        mod postgres {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $case() {
                crate::$file::$case(&crate::database::Database::postgres()).await;
            })*
        }
        mod sqlite {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $case() {
                crate::$file::$case(&crate::database::Database::sqlite()).await;
            })*
        }
    };
}

on_both! {
    saves::a_new_partition_has_no_save,
    saves::a_snapshot_and_its_deltas_come_back_in_order,
    saves::a_snapshot_replaces_what_was_before,
    saves::a_repeated_write_is_written_once,
    saves::a_delta_needs_a_snapshot,
    saves::processors_and_partitions_do_not_interfere,
    saves::large_segments_come_back,
    saves::positions_show_where_all_stand,
    saves::a_position_keeps_every_value,
    fencing::who_was_deposed_cannot_write,
    fencing::the_unknown_are_fenced,
    fencing::nothing_is_written_behind_the_back_of_an_acquirer,
    fencing::of_many_acquirers_one_is_left,
    corruption::flipped_bytes_are_noticed,
    corruption::torn_bytes_are_noticed,
    corruption::a_missing_segment_is_noticed,
    corruption::a_strange_segment_is_noticed,
    corruption::a_wrong_position_is_noticed,
    corruption::who_finds_a_corrupt_save_deposes_nobody,
    opening::it_can_be_opened_again_and_at_once,
    opening::it_lives_and_has_a_clock,
}

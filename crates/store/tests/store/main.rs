//! The store's promises, each on PostgreSQL and on SQLite, and those of saves and places in memory too.
#![allow(clippy::unwrap_used, clippy::panic, clippy::disallowed_methods, reason = "a test")]

mod api_keys;
mod corruption;
mod database;
mod deliveries;
mod fencing;
mod full_disk;
mod opening;
mod places;
mod read_model;
mod restart;
mod saves;

/// Runs cases against a fresh database of one kind: each is a function that is given it.
macro_rules! on {
    ($database:ident: $($file:ident::$case:ident),* $(,)?) => {
        mod $database {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $case() {
                crate::$file::$case(&crate::database::Database::$database()).await;
            })*
        }
    };
}

/// The cases that hold everywhere, and those that hold on either SQL database only.
macro_rules! cases {
    (everywhere { $($everywhere:tt)* } in_sql { $($in_sql:tt)* }) => {
        on! { postgres: $($everywhere)* $($in_sql)* }
        on! { sqlite: $($everywhere)* $($in_sql)* }
        on! { memory: $($everywhere)* }
    };
}

cases! {
    everywhere {
        saves::a_new_partition_has_no_save,
        saves::segments_come_back_in_order,
        saves::what_is_needed_no_longer_goes,
        saves::a_snapshot_replaces_what_was_before,
        saves::a_repeated_write_is_written_once,
        saves::nothing_can_be_kept_that_is_not_there,
        saves::processors_and_partitions_do_not_interfere,
        saves::large_segments_come_back,
        saves::positions_show_where_all_stand,
        saves::a_position_keeps_every_value,
        fencing::who_was_deposed_cannot_write,
        fencing::the_unknown_are_fenced,
        fencing::nothing_is_written_behind_the_back_of_an_acquirer,
        fencing::of_many_acquirers_one_is_left,
        places::a_place_moves_on_and_comes_back,
        places::a_place_moves_only_from_where_it_stands,
        places::of_two_who_take_the_same_one_moves_the_place,
    }
    in_sql {
        corruption::flipped_bytes_are_noticed,
        corruption::torn_bytes_are_noticed,
        corruption::a_missing_segment_is_noticed,
        corruption::a_missing_part_is_noticed,
        corruption::a_strange_segment_is_noticed,
        corruption::a_wrong_position_is_noticed,
        corruption::who_finds_a_corrupt_save_deposes_nobody,
        api_keys::a_key_comes_back_as_it_was_kept,
        api_keys::a_revoked_key_stays_revoked,
        api_keys::a_damaged_key_is_an_error_and_tells_no_hash,
        read_model::customers_come_by_filter_and_page,
        read_model::the_first_fact_of_its_name_counts,
        read_model::rows_go_in_with_the_place_or_not_at_all,
        read_model::a_timeline_has_everything_once_newest_first,
        read_model::lists_and_the_feed_go_on_where_they_stopped,
        read_model::documents_and_ticks_are_kept,
        read_model::a_dead_letter_counts_once_until_it_is_dealt_with,
        read_model::dropped_it_can_be_built_again,
        read_model::dropping_it_meanwhile_tears_nothing,
        deliveries::what_is_owed_comes_with_the_place_or_not_at_all,
        deliveries::a_claim_is_one_attempt_of_one_claimer,
        deliveries::a_lease_that_ended_leaves_the_attempt_to_another,
        deliveries::a_failed_attempt_is_due_again_until_it_is_dead_and_a_person_retries,
        deliveries::what_is_expired_is_never_due_unless_a_person_wants_it,
        deliveries::changes_are_told_until_they_are_known_to_be_told,
        deliveries::the_ledger_is_listed_by_page_and_filter,
        deliveries::what_is_over_and_told_is_forgotten_when_it_is_old,
        deliveries::quiet_sources_are_those_that_went_quiet_and_are_not_back,
        opening::it_can_be_opened_again_and_at_once,
        opening::it_lives_and_has_a_clock,
    }
}

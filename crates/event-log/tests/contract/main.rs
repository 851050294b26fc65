//! What every backend of the log has to do: one suite, run over all of them, and what is asked of one alone.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test's error report is its panic, in helper functions too")]

mod backend;
mod durability;
mod embedded;
mod failure;
mod groups;
#[cfg(feature = "kafka")]
mod inbound;
#[cfg(feature = "kafka")]
mod instances;
#[cfg(feature = "kafka")]
mod kafka;
mod memory;
mod order;
mod reading;
mod support;
mod topics;
mod traced;

/// Makes a test of each case for each backend.
macro_rules! contract {
    ($($module:ident::$case:ident),+ $(,)?) => {
        contract!(@ over_memory, crate::backend::Backend::memory(); $($module::$case),+);
        contract!(@ over_embedded, crate::backend::Backend::embedded().await; $($module::$case),+);
        #[cfg(feature = "kafka")]
        contract!(@ over_kafka, crate::backend::Backend::kafka().await; $($module::$case),+);
    };
    (@ $backend:ident, $make:expr; $($module:ident::$case:ident),+) => {
        mod $backend {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $case() {
                    crate::support::guarded(async { crate::$module::$case($make).await }).await;
                }
            )+
        }
    };
}

contract! {
    order::each_partition_keeps_the_order_of_its_sends,
    order::many_concurrent_senders_interleave_without_loss_or_tearing,
    order::a_record_comes_back_as_it_was_sent,
    durability::what_was_acknowledged_is_there_for_another_handle,
    durability::dropping_the_producer_or_the_ack_does_not_take_records_back,
    failure::a_failed_delivery_poisons_its_producer_alone,
    failure::unknown_topics_and_partitions_are_named,
    reading::begins_at_an_offset_and_goes_on_to_the_end,
    reading::waits_for_the_next_record,
    reading::a_cancelled_read_loses_nothing,
    reading::offsets_outside_of_the_log_are_refused,
    reading::a_slow_reader_holds_nobody_up_and_gets_all,
    traced::who_skips_headers_still_gets_those_of_recorded_traces,
    topics::creating_twice_changes_nothing,
    topics::differences_are_found_and_left_alone,
    topics::a_replaced_log_has_another_id,
    groups::one_member_gets_all,
    groups::a_second_member_shares_and_its_leaving_gives_back,
    groups::two_groups_do_not_share,
    groups::a_lost_assignment_is_said_to_be_lost,
    groups::a_member_begins_where_it_is_told,
    groups::a_start_outside_of_the_log_is_refused,
}

//! Who should own which partition: as even as can be, moving as little as can be.

use std::collections::HashMap;

use super::MemberId;

/// The new owners, given the owners so far and the members in the order of joining.
pub(super) fn balance(owners: &[Option<MemberId>], members: &[MemberId]) -> Vec<Option<MemberId>> {
    if members.is_empty() {
        return vec![None; owners.len()];
    }
    let share = owners.len() / members.len();
    // So many members get one more than the others.
    let mut extras = owners.len() % members.len();
    let mut counts: HashMap<MemberId, usize> = members.iter().map(|member| (*member, 0)).collect();
    let mut take = |member: MemberId| {
        let Some(count) = counts.get_mut(&member) else { return false };
        let fits = *count < share || (*count == share && extras > 0);
        if fits {
            extras -= usize::from(*count == share);
            *count += 1;
        }
        fits
    };
    let mut result: Vec<Option<MemberId>> = owners.iter().map(|owner| owner.filter(|member| take(*member))).collect();
    for owner in &mut result {
        if owner.is_none() {
            *owner = members.iter().copied().find(|member| take(*member));
        }
    }
    result
}

#[cfg(test)]
mod tests {
    use super::balance;

    #[test]
    fn one_member_gets_all() {
        assert_eq!(balance(&[None; 3], &[7]), [Some(7); 3]);
    }

    #[test]
    fn a_second_member_gets_half_and_the_rest_stays() {
        assert_eq!(balance(&[Some(1); 4], &[1, 2]), [Some(1), Some(1), Some(2), Some(2)]);
    }

    #[test]
    fn what_a_leaver_had_goes_to_the_others() {
        assert_eq!(balance(&[Some(1), Some(1), Some(2), Some(2)], &[2]), [Some(2); 4]);
    }

    #[test]
    fn uneven_shares_differ_by_one_and_do_not_move() {
        let owners = [Some(1), Some(2), Some(1), Some(1), Some(2)];
        assert_eq!(balance(&owners, &[2, 1]), owners);
    }

    #[test]
    fn more_members_than_partitions_leave_some_without() {
        assert_eq!(balance(&[None; 2], &[1, 2, 3]), [Some(1), Some(2)]);
    }

    #[test]
    fn nobody_owns_anything_without_members() {
        assert_eq!(balance(&[Some(1), None], &[]), [None, None]);
    }
}

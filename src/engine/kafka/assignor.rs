//! How a group's leader shares out partitions (`RangeAssignor`, `CooperativeStickyAssignor`).

use super::message::MemberAssignment;
use super::types::*;
use std::cmp::Ordering;

/// Members in the order in which the assignors take them: static ones first, by instance; others by
/// member id, which begins with the client's id (`MemberInfo.compareTo`).
fn compare(names: &[String], a: &MemberAssignment, b: &MemberAssignment) -> Ordering {
    let name = |member: &MemberAssignment| {
        member.application.and_then(|application| names.get(usize::from(application.0)))
    };
    match (a.instance, b.instance) {
        (Some(a), Some(b)) => a.cmp(&b),
        (Some(_), None) => Ordering::Less,
        (None, Some(_)) => Ordering::Greater,
        (None, None) => name(a).cmp(&name(b)).then(a.client.cmp(&b.client)).then(a.member.cmp(&b.member)),
    }
}

/// Shares out `topics`, each by itself: consecutive partitions, the first members get one more
/// (`RangeAssignor`). `names` are the applications' names.
pub fn assign_range(members: &mut [MemberAssignment], topics: &[PartitionSet], names: &[String]) {
    members.sort_by(|a, b| compare(names, a, b));
    members.iter_mut().for_each(|member| member.partitions = PartitionSet::EMPTY);
    for topic in topics {
        let subscribed = |member: &MemberAssignment| member.subscription.contains_all(*topic);
        let consumers = members.iter().filter(|member| subscribed(member)).count();
        if consumers == 0 {
            continue;
        }
        let (each, more) = (topic.len() / consumers, topic.len() % consumers);
        let mut partitions = topic.iter();
        for (place, member) in members.iter_mut().filter(|member| subscribed(member)).enumerate() {
            let count = each + usize::from(place < more);
            partitions.by_ref().take(count).for_each(|partition| member.partitions.insert(partition));
        }
    }
}

/// Shares out evenly; whoever owns a partition keeps it if that is still even. A partition that moves
/// is given to nobody until its owner has let go of it (`CooperativeStickyAssignor`, KIP-429).
pub fn assign_cooperative(members: &mut [MemberAssignment], topics: &[PartitionSet], names: &[String]) {
    members.sort_by(|a, b| compare(names, a, b));
    let all: PartitionSet = topics
        .iter()
        .filter(|topic| members.iter().any(|member| member.subscription.contains_all(**topic)))
        .flat_map(|topic| topic.iter())
        .collect();
    let (each, more) = (all.len() / members.len().max(1), all.len() % members.len().max(1));
    // Owned partitions are kept up to the quota; a few members may have one more.
    let mut owned = PartitionSet::EMPTY;
    let mut kept = PartitionSet::EMPTY;
    let mut with_one_more = 0;
    for member in members.iter_mut() {
        let claimed = member.partitions.without(owned);
        owned = owned.union(claimed);
        let may_have_more = with_one_more < more;
        let quota = each + usize::from(may_have_more);
        member.partitions = claimed
            .iter()
            .filter(|partition| all.contains(*partition) && member.subscription.contains(*partition))
            .take(quota)
            .collect();
        with_one_more += usize::from(may_have_more && member.partitions.len() == quota && quota > each);
        kept = kept.union(member.partitions);
    }
    let mut given = PartitionSet::EMPTY;
    for partition in all.without(kept).iter() {
        let next = members
            .iter_mut()
            .filter(|member| member.subscription.contains(partition))
            .min_by_key(|member| member.partitions.len());
        if let Some(member) = next {
            member.partitions.insert(partition);
            given.insert(partition);
        }
    }
    // What someone else still owns is withheld this time.
    let moving = given.iter().filter(|partition| owned.contains(*partition)).collect::<PartitionSet>();
    for member in members.iter_mut() {
        member.partitions = member.partitions.without(moving);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::kafka::config::Assignors;
    use crate::engine::sim::time::Span;

    fn set(partitions: &[u8]) -> PartitionSet {
        partitions.iter().map(|partition| PartitionId(*partition)).collect()
    }

    fn member(id: u32, application: u8, owned: &[u8], subscription: PartitionSet) -> MemberAssignment {
        MemberAssignment {
            member: MemberId(id),
            instance: None,
            partitions: set(owned),
            subscription,
            session_timeout: Span::seconds(45),
            rebalance_timeout: Span::seconds(300),
            client: ClientId(id as u16),
            application: Some(ApplicationId(application)),
            owned: PartitionSet::EMPTY,
            generation: -1,
            assignors: Assignors::CooperativeSticky,
        }
    }

    fn shares(members: &[MemberAssignment]) -> Vec<(u32, PartitionSet)> {
        members.iter().map(|member| (member.member.0, member.partitions)).collect()
    }

    /// RangeAssignorTest; recording rebalance-manual: of Z and A, A comes first and gets the only partition.
    #[test]
    fn range_goes_by_client_name() {
        let names = ["Z".to_string(), "A".to_string()];
        let topic = set(&[2]);
        let mut members = [member(1, 0, &[], topic), member(2, 1, &[], topic)];
        assign_range(&mut members, &[topic], &names);
        assert_eq!(shares(&members), [(2, set(&[2])), (1, set(&[]))]);

        let topic = set(&[2, 3, 4]);
        let mut members = [member(1, 0, &[], topic), member(2, 1, &[], topic)];
        assign_range(&mut members, &[topic], &names);
        assert_eq!(shares(&members), [(2, set(&[2, 3])), (1, set(&[4]))]);
    }

    /// CooperativeStickyAssignorTest: the newcomer gets nothing until the owner has let go.
    #[test]
    fn cooperative_moves_in_two_steps() {
        let names = ["A".to_string(), "B".to_string()];
        let topic = set(&[2, 3, 4, 5]);
        let mut members = [member(1, 0, &[2, 3, 4, 5], topic), member(2, 1, &[], topic)];
        assign_cooperative(&mut members, &[topic], &names);
        assert_eq!(shares(&members), [(1, set(&[2, 3])), (2, set(&[]))]);
        assign_cooperative(&mut members, &[topic], &names);
        assert_eq!(shares(&members), [(1, set(&[2, 3])), (2, set(&[4, 5]))]);
    }
}

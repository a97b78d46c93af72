using Fairlead.Fleet.Decide;
using Fairlead.Fleet.Spec;

namespace Fairlead.Tests.Decide;

public class PoolStandTests
{
    private static readonly DateTimeOffset Start = new(2026, 1, 1, 12, 0, 0, TimeSpan.Zero);

    private static readonly AnnounceSpec Patient = new()
    {
        WarmUp = TimeSpan.FromSeconds(10),
        Failing = new FailingSpec { For = TimeSpan.FromSeconds(5) },
    };

    [Fact]
    public void What_is_seen_first_is_believed_at_once()
    {
        Assert.Equal(HostStance.Announce, PoolStand.First(true, Start).Stance);
        Assert.Equal(HostStance.Withdraw, PoolStand.First(false, Start).Stance);
    }

    [Fact]
    public void Without_a_policy_the_verdict_is_obeyed_at_once()
    {
        var plain = new AnnounceSpec();
        PoolStand failed = PoolStand.First(true, Start).Next(false, plain, Start.AddSeconds(1));

        Assert.Equal(HostStance.Withdraw, failed.Stance);
        Assert.Equal(HostStance.Announce, failed.Next(true, plain, Start.AddSeconds(2)).Stance);
        Assert.Null(failed.ChangesAt(plain));
    }

    [Fact]
    public void A_failing_pool_is_the_last_choice_until_its_time_is_up()
    {
        PoolStand failed = PoolStand.First(true, Start).Next(false, Patient, Start.AddSeconds(1));

        Assert.Equal(HostStance.Deprefer, failed.Stance);
        Assert.Equal(Start.AddSeconds(6), failed.ChangesAt(Patient));
        Assert.Equal(HostStance.Deprefer, failed.Next(false, Patient, Start.AddSeconds(5.9)).Stance);
        PoolStand gone = failed.Next(false, Patient, Start.AddSeconds(6));
        Assert.Equal(HostStance.Withdraw, gone.Stance);
        Assert.Null(gone.ChangesAt(Patient));
    }

    [Fact]
    public void A_pool_that_recovers_proves_itself_before_it_is_told_as_before()
    {
        PoolStand gone = PoolStand.First(false, Start);
        PoolStand back = gone.Next(true, Patient, Start.AddSeconds(1));

        Assert.Equal(HostStance.Withdraw, back.Stance);
        Assert.Equal(Start.AddSeconds(11), back.ChangesAt(Patient));
        Assert.Equal(HostStance.Announce, back.Next(true, Patient, Start.AddSeconds(11)).Stance);
    }

    [Fact]
    public void One_that_recovers_while_it_is_the_last_choice_stays_so_until_it_has_proven_itself()
    {
        PoolStand back = PoolStand.First(true, Start).Next(false, Patient, Start.AddSeconds(1))
            .Next(true, Patient, Start.AddSeconds(2));

        Assert.Equal(HostStance.Deprefer, back.Stance);
        Assert.Equal(HostStance.Announce, back.Next(true, Patient, Start.AddSeconds(12)).Stance);
    }

    [Fact]
    public void A_pool_that_flaps_is_never_told_as_healthy() => Property.Holds(1_000, random =>
    {
        // Each verdict lasts less than the warm-up.
        PoolStand stand = PoolStand.First(false, Start);
        DateTimeOffset now = Start;
        bool healthy = false;
        for (int i = 0; i < 50; i++)
        {
            now += TimeSpan.FromMilliseconds(random.Next(1, 9_900));
            healthy = !healthy;
            stand = stand.Next(healthy, Patient, now);
            Assert.NotEqual(HostStance.Announce, stand.Stance);
        }
    });

    [Fact]
    public void Time_changes_nothing_before_it_says_so() => Property.Holds(1_000, random =>
    {
        PoolStand stand = PoolStand.First(random.Next(2) == 0, Start);
        DateTimeOffset now = Start;
        for (int i = 0; i < 20; i++)
        {
            now += TimeSpan.FromMilliseconds(random.Next(1, 8_000));
            stand = stand.Next(random.Next(2) == 0, Patient, now);
            DateTimeOffset quiet = (stand.ChangesAt(Patient) ?? now.AddDays(1)).AddMilliseconds(-1);
            Assert.Equal(stand.Stance, stand.Next(stand.Healthy, Patient, quiet).Stance);
        }
    });

    [Theory]
    [InlineData(2, 0, 10, 2)]
    [InlineData(0, 50, 10, 5)]
    [InlineData(0, 50, 3, 2)]
    [InlineData(0, 1, 10, 1)]
    [InlineData(0, 100, 7, 7)]
    [InlineData(0, 50, 0, 1)]
    public void A_share_is_rounded_up_and_never_none(int count, int percent, int size, int needed) =>
        Assert.Equal(needed, new Quota(count, percent).Of(size));
}

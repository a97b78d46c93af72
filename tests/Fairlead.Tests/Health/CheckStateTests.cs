using Fairlead.Health;

namespace Fairlead.Tests.Health;

public class CheckStateTests
{
    private static readonly CheckSpec Spec = new() { Fall = 3, Rise = 2 };

    /// <summary>The whole table for fall 3 and rise 2: state, result, next state.</summary>
    public static TheoryData<bool, bool, int, bool, bool, int> Table => new()
    {
        { false, false, 0, true, true, 0 }, // The first result decides at once, either way.
        { false, false, 0, false, false, 0 },
        { true, true, 0, true, true, 0 },
        { true, true, 0, false, true, 1 },
        { true, true, 1, false, true, 2 },
        { true, true, 2, false, false, 0 }, // The third failure in a row.
        { true, true, 2, true, true, 0 }, // A success breaks the streak.
        { true, true, 1, true, true, 0 },
        { true, false, 0, false, false, 0 },
        { true, false, 0, true, false, 1 },
        { true, false, 1, true, true, 0 }, // The second success in a row.
        { true, false, 1, false, false, 0 },
    };

    [Theory]
    [MemberData(nameof(Table))]
    public void The_next_state_stands_in_the_table(
        bool known, bool up, int streak, bool result, bool nextUp, int nextStreak)
    {
        CheckState next = new CheckState(known, up, streak).Next(result, Spec, default);

        Assert.Equal((true, nextUp, nextStreak), (next.Known, next.Up, next.Streak));
    }

    [Fact]
    public void A_streak_of_one_turns_at_once()
    {
        var hasty = new CheckSpec { Fall = 1, Rise = 1 };

        Assert.False(new CheckState(true, true, 0).Next(false, hasty, default).Up);
        Assert.True(new CheckState(true, false, 0).Next(true, hasty, default).Up);
    }

    [Fact]
    public void It_turns_exactly_when_the_last_results_are_all_against_it() => Property.Holds(2_000, random =>
    {
        var spec = new CheckSpec { Fall = random.Next(1, 6), Rise = random.Next(1, 6) };
        var state = default(CheckState);
        var since = new List<bool>();
        for (int i = 0; i < 60; i++)
        {
            bool result = random.Next(3) > 0;
            bool wasUp = state.Up;
            since.Add(result);
            int needed = wasUp ? spec.Fall : spec.Rise;
            bool turns = state.Known
                ? since.Count >= needed && since.TakeLast(needed).All(seen => seen != wasUp)
                : result;
            state = state.Next(result, spec, default);

            Assert.True(state.Known);
            Assert.Equal(turns, state.Up != wasUp);
            Assert.InRange(state.Streak, 0, (state.Up ? spec.Fall : spec.Rise) - 1);
            if (turns || i == 0) since.Clear();
        }
    });

    [Theory]
    [InlineData(1000, null, 500)]
    [InlineData(100, null, 100)]
    [InlineData(1000, 30, 30)]
    public void A_try_may_take_half_the_interval_but_at_least_100_ms(int interval, int? timeout, int effective) =>
        Assert.Equal(effective, new CheckSpec
        {
            Interval = TimeSpan.FromMilliseconds(interval),
            Timeout = timeout is { } given ? TimeSpan.FromMilliseconds(given) : null,
        }.EffectiveTimeout.TotalMilliseconds);
}

using Fairlead.Health;

namespace Fairlead.Tests.Health;

public class HoldDownTests
{
    private static readonly CheckSpec Held = new()
    {
        Fall = 1,
        Rise = 1,
        HoldDown = TimeSpan.FromSeconds(10),
        HoldDownMax = TimeSpan.FromSeconds(60),
    };

    private static TimeSpan At(int seconds) => TimeSpan.FromSeconds(seconds);

    [Fact]
    public void Each_fall_holds_it_down_twice_as_long_up_to_the_limit()
    {
        CheckState state = new CheckState(true, true, 0);
        int now = 1_000;
        foreach (int held in new[] { 10, 20, 40, 60, 60 })
        {
            state = state.Next(false, Held, At(now));
            Assert.False(state.Up);
            state = state.Next(true, Held, At(now + held - 1));
            Assert.False(state.Up);
            state = state.Next(true, Held, At(now + held));
            Assert.True(state.Up);
            now += held + 1;
        }
    }

    [Fact]
    public void Being_up_for_as_long_as_the_limit_forgets_the_falls()
    {
        CheckState state = new CheckState(true, true, 0).Next(false, Held, At(100)).Next(true, Held, At(110));
        state = state.Next(false, Held, At(111)).Next(true, Held, At(131));
        Assert.Equal(2, state.Falls);
        state = state.Next(false, Held, At(131 + 60));
        Assert.Equal((1, At(131 + 60 + 10)), (state.Falls, state.HeldUntil));
    }

    [Fact]
    public void What_a_service_says_of_itself_decides_at_once_and_keeps_the_hold_down()
    {
        CheckState state = default(CheckState).Told(true, Held, At(0));
        Assert.True(state is { Known: true, Up: true });
        state = state.Told(false, Held, At(100));
        Assert.False(state.Up);
        Assert.False(state.Told(true, Held, At(109)).Up);
        Assert.True(state.Told(true, Held, At(110)).Up);
    }

    [Fact]
    public void Without_a_hold_down_it_rises_by_its_results_alone()
    {
        CheckSpec free = Held with { HoldDown = TimeSpan.Zero };
        CheckState state = new CheckState(true, true, 0);
        for (int i = 0; i < 100; i++)
        {
            state = state.Next(false, free, At(i));
            Assert.False(state.Up);
            state = state.Next(true, free, At(i));
            Assert.True(state.Up);
        }
    }

    [Fact]
    public void It_never_rises_while_held_and_never_stays_down_once_free() => Property.Holds(500, random =>
    {
        CheckSpec spec = Held with
        {
            Rise = random.Next(1, 5),
            Fall = random.Next(1, 5),
            HoldDown = TimeSpan.FromMilliseconds(random.Next(0, 60_000)),
            Window = random.Next(2) == 0 ? 0 : random.Next(2, 20),
        };
        var state = default(CheckState);
        TimeSpan now = default;
        for (int i = 0; i < 300; i++)
        {
            now += TimeSpan.FromMilliseconds(random.Next(1, 5_000));
            bool wasUp = state.Up;
            bool wasKnown = state.Known;
            state = state.Next(random.Next(4) > 0, spec, now);
            if (wasKnown && !wasUp && state.Up) Assert.True(now >= state.HeldUntil);
            Assert.True(state.HeldUntil <= now + spec.HoldDownMax);
        }

        now += spec.HoldDownMax;
        for (int i = 0; i < 200; i++) state = state.Next(true, spec, now);
        Assert.True(state.Up);
    });

    [Theory]
    [InlineData(WhileUnknown.Wait, false, false)]
    [InlineData(WhileUnknown.Up, true, true)]
    [InlineData(WhileUnknown.Down, true, false)]
    public void Before_its_first_result_it_counts_as_declared(WhileUnknown declared, bool known, bool up)
    {
        CheckState state = CheckState.Before(Held with { WhileUnknown = declared });

        Assert.Equal((known, up), (state.Known, state.Up));
    }
}

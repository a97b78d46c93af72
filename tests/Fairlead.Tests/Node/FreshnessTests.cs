using System.Net;
using Fairlead.Health;
using Fairlead.Node;

namespace Fairlead.Tests.Node;

public class FreshnessTests
{
    private static readonly DateTimeOffset Now = new(2026, 1, 1, 12, 0, 0, TimeSpan.Zero);

    [Fact]
    public void The_check_that_has_been_silent_for_longest_counts() =>
        Assert.Equal(TimeSpan.FromSeconds(40), Freshness.AgeOf([Tried(1), Tried(40), Tried(2)], Now));

    [Fact]
    public void Who_asks_nobody_or_waits_to_be_told_is_never_old() =>
        Assert.Equal(
            TimeSpan.FromSeconds(1),
            Freshness.AgeOf([Tried(1), Tried(90, CheckKind.None), Tried(90, CheckKind.Push)], Now));

    [Fact]
    public void Without_a_word_or_after_a_jump_of_the_clock_nothing_is_old()
    {
        Assert.Equal(TimeSpan.Zero, Freshness.AgeOf([], Now));
        Assert.Equal(TimeSpan.Zero, Freshness.AgeOf([Tried(null)], Now));
        Assert.Equal(TimeSpan.Zero, Freshness.AgeOf([Tried(-5)], Now));
    }

    private static CheckStatus Tried(int? secondsAgo, CheckKind kind = CheckKind.Tcp)
    {
        var spec = new CheckSpec { Kind = kind };
        var check = new Check("web/nyc/192.0.2.5", new IPEndPoint(IPAddress.Parse("192.0.2.5"), 80), spec);
        DateTimeOffset? last = secondsAgo is { } seconds ? Now.AddSeconds(-seconds) : null;
        return new CheckStatus(check, CheckState.Before(spec), last, "", null);
    }
}

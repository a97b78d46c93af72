using Fairlead.Balancer;
using Fairlead.Node;

namespace Fairlead.Tests.Node;

/// <summary>What a backend's log says of a flood: its begin and its end, once each.</summary>
public class CookieWatchTests
{
    [Fact]
    public void A_flood_is_told_of_when_it_begins_and_with_its_numbers_when_it_has_ended()
    {
        var watch = new CookieWatch();
        Assert.Null(watch.Look(Counts(0, 0)));
        Assert.Contains("more new connections", watch.Look(Counts(1000, 2)), StringComparison.Ordinal);
        Assert.Null(watch.Look(Counts(5000, 2)));
        // A pause is not the end.
        for (int i = 0; i < 4; i++) Assert.Null(watch.Look(Counts(5000, 2)));
        Assert.Null(watch.Look(Counts(6000, 5)));
        for (int i = 0; i < 4; i++) Assert.Null(watch.Look(Counts(6000, 5)));
        string end = watch.Look(Counts(6000, 5))!;
        Assert.Contains("6000 SYNs were answered with cookies, 5 went to it", end, StringComparison.Ordinal);
        Assert.Null(watch.Look(Counts(6000, 5)));

        // The next one is counted by itself.
        Assert.NotNull(watch.Look(Counts(6007, 5)));
        for (int i = 0; i < 4; i++) Assert.Null(watch.Look(Counts(6007, 5)));
        end = watch.Look(Counts(6007, 5))!;
        Assert.Contains(": 7 SYNs were answered with cookies, 0 went", end, StringComparison.Ordinal);
    }

    private static Dictionary<BackendReason, ulong> Counts(ulong answered, ulong left) => new()
    {
        [BackendReason.Cookie] = answered,
        [BackendReason.NoCookie] = left,
    };
}

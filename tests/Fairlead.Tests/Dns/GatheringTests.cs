using Fairlead.Dns.Server;

namespace Fairlead.Tests.Dns;

public class GatheringTests
{
    private static bool Pauses(int datagrams, double microsecondsBetween)
    {
        var gathering = default(Gathering);
        bool pauses = false;
        for (int i = 1; i <= 10_000; i++)
            pauses = gathering.After(datagrams, TimeSpan.FromMicroseconds(i * microsecondsBetween));
        return pauses;
    }

    [Fact]
    public void Waits_only_where_a_pause_brings_several() =>
        Assert.Equal(
            [false, false, true, true],
            new[] { Pauses(1, 1000), Pauses(1, 20), Pauses(1, 15), Pauses(4, 40) });

    [Fact]
    public void Does_not_wait_when_a_batch_says_that_more_are_there() =>
        Assert.False(Pauses(Gathering.DatagramsMax, 100));

    [Fact]
    public void Stops_waiting_when_it_has_become_quiet()
    {
        var gathering = default(Gathering);
        for (int i = 1; i <= 1000; i++) gathering.After(4, TimeSpan.FromMicroseconds(i * 20));
        Assert.True(gathering.After(4, TimeSpan.FromMicroseconds(20_020)));
        Assert.False(gathering.After(1, TimeSpan.FromMilliseconds(100)));
    }
}

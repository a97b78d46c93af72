using Fairlead.Bgp.Announcing;
using Fairlead.Bgp.Session;
using Fairlead.Net.Addresses;
using Xunit.Abstractions;

namespace Fairlead.Tests.Bgp;

/// <summary>It measures the heap of the process: nobody else may use it meanwhile.</summary>
[CollectionDefinition(nameof(SpeakerMemoryTests), DisableParallelization = true)]
[Collection(nameof(SpeakerMemoryTests))]
public class SpeakerMemoryTests(ITestOutputHelper output)
{
    [Fact]
    public async Task A_hundred_peers_of_a_thousand_routes_stay_far_below_the_promised_memory()
    {
        const int Peers = 100, Routes = 1000;
        PeerOptions first;
        await using (var one = new HandmadePeer()) first = one.Options; // A free port.
        PeerOptions[] options = [.. Enumerable.Range(1, Peers).Select(i => first with
        {
            Name = $"peer{i}",
            Address = new System.Net.IPAddress([127, 0, 1, (byte)i]),
            HoldTime = TimeSpan.Zero, // The peers made by hand send no keepalives while the others come up.
        })];
        long before = GC.GetTotalMemory(forceFullCollection: true);
        var speaker = new BgpSpeaker(
            [.. options], new Guard([Prefix.Parse("198.18.0.0/15")]), TimeProvider.System, new Random(1), _ => { });
        speaker.Start();
        speaker.Apply(new RouteSet(1, [.. Enumerable.Range(0, Routes).Select(i => new Route
        {
            Prefix = Prefix.Parse($"198.18.{i / 250}.{i % 250}/32"),
        })]));
        var peers = new List<HandmadePeer>();
        foreach (PeerOptions option in options)
        {
            HandmadePeer peer = new HandmadePeer(speaker, option).Establish();
            peers.Add(peer);
            // Each route in a message of its own, with a community of its own: nothing is shared.
            for (int i = 0; i < Routes; i++)
            {
                byte[] attributes = Convert.FromHexString($"4001010040020602010000fde94003040a090002c00804fde8{i:x4}");
                SpeakerTests.SendUpdate(peer, attributes, 32, 198, 18, (byte)(i / 250), (byte)(i % 250));
            }
        }

        HandmadePeer.Eventually(
            () => speaker.Status().All(peer => peer is { Received: Routes, Announced: Routes }), seconds: 60);
        double mebibytes = (GC.GetTotalMemory(forceFullCollection: true) - before) / 1048576.0;
        output.WriteLine($"{Peers} peers with {Routes} routes in and out each: {mebibytes:F1} MiB");
        Assert.InRange(mebibytes, 0, 150); // 250 are promised for the process; the runtime has some 60 of them.
        foreach (HandmadePeer peer in peers) await peer.DisposeAsync();
        await speaker.StopAsync("the test has ended");
    }
}

using System.Net;
using Fairlead.Balancer;
using Fairlead.Balancer.Maps;
using Fairlead.Net.Linux;

namespace Fairlead.InteropTests.Balancer;

/// <summary>Packets as those see them who watch, through the kernel's own run of the program.</summary>
public sealed class PacketTapTests : IDisposable
{
    private const string ToFirst = "eth gw>us / ip4 198.51.100.7>192.0.2.1 / ";
    private static readonly IPAddress First = IPAddress.Parse("192.0.2.1");

    private readonly CaseBed bed = new();
    private readonly PacketTap tap = new(TimeProvider.System, CaseBed.Key);

    public PacketTapTests()
    {
        tap.Use(bed.Maps);
        tap.Know(CaseBed.Current);
    }

    [InteropFact]
    public async Task Every_packet_case_ends_as_it_says_and_is_shown_as_it_came_in()
    {
        using TapWatch watch = tap.Watch(new TapFilter { SnapBytes = Layout.Snap })!;
        foreach (PacketCase one in PacketCase.In(Fixture.PathOf("balancer")))
        {
            bed.Forget();
            Assert.Null(one.FirstFault(bed.Run, bed.Reasons, PacketCaseTests.HashOf));
            foreach (PacketStep step in one.Steps)
            {
                TappedPacket shown = await NextAsync(watch);
                string[] expected = [step.In, Opened(step.In)];
                Assert.Contains(Convert.ToHexString(shown.Frame.Span),
                    expected.Select(text => Convert.ToHexString(PacketText.Build(text))));
                Assert.True(step.Reason == $"{shown.Reason}" || step.Reason == $"{shown.How}",
                    $"{one.Sentence}: {shown.Reason} {shown.How}");
            }
        }

        Assert.Equal(0ul, watch.Lost);
    }

    /// <summary>What another balancer sent on is shown as it was before, with the congestion of its way.</summary>
    private static string Opened(string packet)
    {
        string[] layers = packet.Split(" / ");
        int gue = Array.IndexOf(layers, "gue");
        int outer = Array.FindIndex(layers, layer => layer.StartsWith("ip", StringComparison.Ordinal));
        if (gue < 0) return packet;
        string inner = string.Join(" / ", [.. layers[..outer], .. layers[(gue + 1)..]]);
        return layers[outer].Contains("tos=3", StringComparison.Ordinal) ? inner.Replace("tos=2", "tos=3") : inner;
    }

    [InteropFact]
    public async Task A_packet_is_shown_with_its_flow_slot_and_backend()
    {
        using TapWatch watch = tap.Watch(new TapFilter { Address = First })!;
        _ = bed.Run(PacketText.Build(ToFirst + "tcp 40000>80 syn"));
        TappedPacket shown = await NextAsync(watch);
        var flow = new Flow(IPEndPoint.Parse("198.51.100.7:40000"), new IPEndPoint(First, 80), 6);
        Assert.Equal(flow, shown.Flow);
        Assert.Equal((PacketReason.Forwarded, PacketReason.Forwarded, SlotState.Steady, "s1", 0),
            (shown.Reason, shown.How, shown.State, shown.Service!, shown.Frame.Length));
        Assert.Equal(FlowHash.Slot(CaseBed.Key.PlaceOf(flow, isSticky: false), 251), shown.Slot);
        Assert.Equal("10.0.0.11", $"{shown.Backend}");
        double age = TimeProvider.System.GetUtcNow().ToUnixTimeMilliseconds() / 1e3 - shown.At / 1e9;
        Assert.InRange(age, -1, 30);
    }

    [InteropFact]
    public async Task Each_who_watches_is_shown_what_was_asked_for_and_no_more()
    {
        using TapWatch tcp = tap.Watch(new TapFilter { Address = First, Port = 80, Protocol = 6, SnapBytes = 20 })!;
        using TapWatch any = tap.Watch(new TapFilter { SnapBytes = 30 })!;
        TapWatch other = tap.Watch(new TapFilter { Address = IPAddress.Parse("2001:db8:f::2") })!;
        Assert.Null(tap.Watch(new TapFilter()));
        Assert.NotNull(tap.Sample(new TapFilter { OneIn = int.MaxValue }));
        string[] sent =
        [
            ToFirst + "udp 40000>80", ToFirst + "tcp 40000>81 syn", ToFirst + "tcp 40000>80 syn",
            "eth gw>us / ip6 2001:db8:c::1>2001:db8:f::2 / tcp 40000>80 syn",
        ];
        foreach (string packet in sent) _ = bed.Run(PacketText.Build(packet));
        foreach (string packet in sent)
            Assert.Equal(PacketText.Build(packet)[..30], (await NextAsync(any)).Frame.ToArray());
        Assert.Equal(PacketText.Build(sent[2])[..20], (await NextAsync(tcp)).Frame.ToArray());
        Assert.Equal("2001:db8:c::1", $"{(await NextAsync(other)).Flow!.Value.From.Address}");
        Assert.False(tcp.Packets.TryRead(out _) || other.Packets.TryRead(out _), "each has one packet");

        // One that has ended leaves its place to the next, who sees nothing of what came before.
        other.Dispose();
        using TapWatch next = tap.Watch(new TapFilter { Address = First })!;
        _ = bed.Run(PacketText.Build(sent[0]));
        Assert.Equal(17, (await NextAsync(next)).Flow!.Value.Protocol);
    }

    [InteropFact]
    public async Task By_chance_about_one_in_so_many_is_shown()
    {
        using TapWatch watch = tap.Watch(new TapFilter { OneIn = 10 })!;
        byte[] packet = PacketText.Build(ToFirst + "tcp 40000>80 ack");
        for (int i = 0; i < 5000; i++) _ = bed.Run(packet);
        await Until(() => tap.Counts.Taken > 0 && (ulong)watch.Packets.Count >= tap.Counts.Taken);
        Assert.InRange(watch.Packets.Count, 300, 700);
    }

    [InteropFact]
    public async Task What_finds_no_room_is_counted_and_the_packets_go_on()
    {
        using TapWatch watch = tap.Watch(new TapFilter { SnapBytes = Layout.Snap })!;
        // Nobody reads so fast: the run makes a million a second, and the ring has room for some thousands.
        byte[] packet = PacketText.Build("eth gw>us / ip4 198.51.100.7>198.51.100.8 / tcp 1>2 data=1400");
        const int Sent = 200_000;
        Assert.Equal(2u, bed.Program.Run(packet, new byte[4096], out _, Sent));
        await Until(() => tap.Counts is var counts && counts.Taken + counts.Lost == Sent);
        Assert.InRange(watch.Lost, 1ul, (ulong)Sent);
    }

    [InteropFact]
    public async Task The_tap_is_off_when_nobody_watches_and_goes_off_by_itself_when_who_watched_has_died()
    {
        using var control = new BpfArray<FlControl>(bed.Maps["control"]);
        byte[] packet = PacketText.Build(ToFirst + "tcp 40000>80 ack");
        TapWatch watch = tap.Watch(new TapFilter())!;
        Assert.NotEqual(0u, control[0].TapUntil);
        watch.Dispose();
        Assert.Equal(0u, control[0].TapUntil);
        await Until(() => watch.Packets.Completion.IsCompleted);

        // As a process leaves it that is killed: the next packet after its time turns the tap off, and is not shown.
        using var taps = new BpfArray<FlTap>(bed.Maps["taps"]);
        taps[1].IsOn = 1;
        control[0].TapUntil = KernelTables.Seconds(TimeProvider.System) - 1;
        ulong before = tap.Counts.Taken;
        _ = bed.Run(packet);
        Assert.Equal((0u, before), (control[0].TapUntil, tap.Counts.Taken));

        // The next process turns off at once what it finds.
        control[0].TapUntil = KernelTables.Seconds(TimeProvider.System) + 60;
        tap.Use(bed.Maps);
        Assert.Equal((0u, 0u), (control[0].TapUntil, taps[1].IsOn));
    }

    [InteropFact]
    public async Task Who_watches_goes_on_when_the_tables_are_exchanged_for_larger_ones()
    {
        using var next = new CaseBed();
        using TapWatch watch = tap.Watch(new TapFilter { Address = First })!;
        _ = bed.Run(PacketText.Build(ToFirst + "tcp 40000>80 ack"));
        Assert.Equal(40000, (await NextAsync(watch)).Flow!.Value.From.Port);
        tap.Use(next.Maps);
        _ = next.Run(PacketText.Build(ToFirst + "tcp 40001>80 ack"));
        Assert.Equal(40001, (await NextAsync(watch)).Flow!.Value.From.Port);
        Assert.Equal((2ul, 0ul), tap.Counts);
        tap.Dispose(); // Before the maps that it has.
    }

    public void Dispose()
    {
        tap.Dispose();
        bed.Dispose();
    }

    private static async Task<TappedPacket> NextAsync(TapWatch watch)
    {
        using var late = new CancellationTokenSource(TimeSpan.FromSeconds(20));
        return await watch.Packets.ReadAsync(late.Token);
    }

    private static async Task Until(Func<bool> condition)
    {
        long begin = System.Diagnostics.Stopwatch.GetTimestamp();
        while (!condition())
        {
            Assert.True(System.Diagnostics.Stopwatch.GetElapsedTime(begin) < TimeSpan.FromSeconds(20), "not in 20 s");
            await Task.Delay(TimeSpan.FromMilliseconds(5));
        }
    }
}

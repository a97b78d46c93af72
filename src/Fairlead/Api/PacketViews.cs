using System.Collections.Immutable;
using System.Globalization;
using System.Net;
using Fairlead.Balancer;
using Fairlead.Balancer.Maps;
using Fairlead.Fleet;
using Fairlead.Net.Linux;
using Fairlead.Node;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;

namespace Fairlead.Api;

/// <summary>
/// POST /v1/balancer/watch: shows one in so many of the packets for a VIP (ADDRESS, ADDRESS:PORT or
/// ADDRESS:PORT/PROTOCOL; null: any packet, of which no byte is given), until there were Count of them or the time is
/// over. As with an intent, a reason is asked for, and an end.
/// </summary>
public sealed record WatchRequest
{
    public string? Vip { get; init; }

    public int OneIn { get; init; } = 1;

    /// <summary>So many bytes of each frame; 0: none.</summary>
    public int SnapBytes { get; init; }

    public long Count { get; init; }

    public double ForSeconds { get; init; }

    public string Reason { get; init; } = "";
}

/// <summary>
/// A line of the answer: first the devices, then a packet each, and at the end one that says so. Lost: packets that
/// were to be shown until now, and for which there was no room.
/// </summary>
public sealed record WatchLine
{
    public ImmutableArray<string> Devices { get; init; } = [];

    public PacketView? Packet { get; init; }

    public ulong Lost { get; init; }

    public bool IsEnd { get; init; }
}

/// <summary>
/// A packet that the balancer saw. Verdict: forwarded, passed, dropped or answered; Reason: the counters' word for it;
/// How: by what its backend was chosen.
/// </summary>
public sealed record PacketView
{
    public required string Time { get; init; }

    /// <summary>The same time, in nanoseconds since 1970.</summary>
    public required long UnixNanoseconds { get; init; }

    public required string Device { get; init; }

    public string? From { get; init; }

    public string? To { get; init; }

    public string? Protocol { get; init; }

    public string? Service { get; init; }

    public required string Verdict { get; init; }

    public required string Reason { get; init; }

    public string? How { get; init; }

    public int? Slot { get; init; }

    public string? SlotState { get; init; }

    public string? Backend { get; init; }

    /// <summary>Of the whole frame.</summary>
    public required int Length { get; init; }

    /// <summary>Its first bytes, as it came in.</summary>
    public byte[]? Frame { get; init; }

    /// <summary>"forwarded to 10.0.0.11: BySlot, slot 123 Steady", "dropped: NoBackend".</summary>
    public string Decision()
    {
        string slot = Slot is { } number ? $", slot {number} {SlotState}" : "";
        return Backend is { } backend && How is { } how
            ? $"{Verdict} to {backend}: {how}{slot}"
            : $"{Verdict}: {Reason}{(Backend is null ? "" : $", for {Backend}")}{slot}";
    }

    public static PacketView Of(TappedPacket packet, Func<uint, string> device)
    {
        const long NanosecondsPerTick = 100, NanosecondsPerSecond = 1_000_000_000;
        bool isForwarded = packet.Verdict == PacketVerdict.Forwarded;
        DateTime time = DateTimeOffset.UnixEpoch.AddTicks(packet.At / NanosecondsPerTick).UtcDateTime;
        string fraction = (packet.At % NanosecondsPerSecond).ToString("d9", CultureInfo.InvariantCulture);
        return new PacketView
        {
            Time = $"{time.ToString("yyyy-MM-ddTHH:mm:ss", CultureInfo.InvariantCulture)}.{fraction}Z",
            UnixNanoseconds = packet.At,
            Device = device(packet.Device),
            From = packet.Flow is { } flow ? End(flow.From, packet) : null,
            To = packet.Flow is { } same ? End(same.To, packet) : null,
            Protocol = packet.Flow?.Protocol switch { null => null, 6 => "tcp", 17 => "udp", var other => $"{other}" },
            Service = packet.Service,
            Verdict = $"{packet.Verdict}".ToLowerInvariant(),
            Reason = $"{packet.Reason}",
            How = !isForwarded ? null : packet.How == PacketReason.Forwarded ? "BySlot" : $"{packet.How}",
            Slot = packet.Slot,
            SlotState = packet.Slot is null ? null : $"{packet.State}",
            Backend = packet.Backend?.ToString(),
            Length = packet.Length,
            Frame = packet.Frame.IsEmpty ? null : packet.Frame.ToArray(),
        };
    }

    private static string End(IPEndPoint end, TappedPacket packet) =>
        packet.IsLaterFragment ? $"{end.Address}" : $"{end}";
}

/// <summary>POST /v1/balancer/watch, and GET /v1/balancer/samples: the packets that balancer.sample has kept.</summary>
internal static class PacketQuestions
{
    private const long CountMax = 1_000_000_000;
    private const int BatchBytes = 64 * 1024;
    private static readonly TimeSpan Longest = TimeSpan.FromHours(1);

    /// <summary>For who does not read: it waits so long beyond its end.</summary>
    private static readonly TimeSpan Grace = TimeSpan.FromSeconds(5);

    public static Task SamplesAsync(
        HttpContext context, Balancing? balancing, Func<HttpContext, int, object?, Task> send)
    {
        if (balancing is null) return send(context, 404, BalancerQuestions.Without());
        var names = new DeviceNames();
        return send(context, 200, balancing.Samples.Select(packet => PacketView.Of(packet, names.Of)).ToArray());
    }

    public static async Task WatchAsync(
        HttpContext context, Balancing? balancing, ILogger log, Func<HttpContext, int, object?, Task> send)
    {
        if (balancing is null)
        {
            await send(context, 404, BalancerQuestions.Without());
            return;
        }

        using var body = new MemoryStream();
        await context.Request.Body.CopyToAsync(body, context.RequestAborted);
        WatchRequest? asked = FleetJson.Read<WatchRequest>(body.ToArray());
        (TapFilter? filter, Refusal? refusal) = Filter(asked, balancing);
        if (refusal is not null)
        {
            await send(context, refusal.Code == "not-found" ? 404 : 400, refusal);
            return;
        }

        using TapWatch? watch = balancing.Tap.Watch(filter!);
        if (watch is null)
        {
            await send(context, 409, new Refusal("refused",
                [$"{PacketTap.WatchesMax} watch packets of this node already: wait until one of them has ended"]));
            return;
        }

        string what = $"{asked!.Vip ?? "any packet"}, {asked.SnapBytes} bytes of each";
        log.LogInformation("packets are watched: {What}, for {Seconds} s: {Reason}",
            what, asked.ForSeconds, asked.Reason);
        long shown = 0;
        try
        {
            shown = await ShowAsync(context.Features.Get<LiveAnswer>()!, watch, asked, balancing.Devices);
        }
        finally
        {
            log.LogInformation("packets are watched no longer: {What}: {Shown} shown, {Lost} lost",
                what, shown, watch.Lost);
        }
    }

    private static (TapFilter? Filter, Refusal? Refusal) Filter(WatchRequest? asked, Balancing balancing)
    {
        if (asked is null || asked.OneIn < 1 || asked.SnapBytes is < 0 or > Layout.Snap
            || asked.Count is < 1 or > CountMax || !(asked.ForSeconds > 0) || asked.ForSeconds > Longest.TotalSeconds
            || string.IsNullOrWhiteSpace(asked.Reason))
        {
            return (null, new Refusal("bad-request",
                [$"expected {{vip, oneIn, snapBytes (at most {Layout.Snap}), count, forSeconds (at most "
                    + $"{Longest.TotalSeconds:0}), reason}}"]));
        }

        var filter = new TapFilter { OneIn = asked.OneIn, SnapBytes = asked.SnapBytes };
        if (asked.Vip is null)
        {
            return asked.SnapBytes == 0
                ? (filter, null)
                : (null, new Refusal("bad-request", ["what is in packets is given of VIPs alone: say which"]));
        }

        string[] words = asked.Vip.Split('/');
        int protocol = words.Length == 1 ? 0 : words[1] switch { "tcp" => 6, "udp" => 17, _ => -1 };
        if (words.Length > 2 || protocol < 0 || !IPEndPoint.TryParse(words[0], out IPEndPoint? vip))
        {
            return (null, new Refusal("bad-request",
                [$"\"{asked.Vip}\" is no VIP: expected ADDRESS, ADDRESS:PORT or ADDRESS:PORT/tcp (or udp)"]));
        }

        // The machine's own packets are nobody's to look at here: tcpdump shows them.
        return balancing.Holds(vip.Address)
            ? (filter with { Address = vip.Address, Port = (ushort)vip.Port, Protocol = (byte)protocol }, null)
            : (null, new Refusal(
                "not-found", [$"the balancer has no VIP {vip.Address}: `fairlead balancer` shows all"]));
    }

    /// <summary>Until there are enough, or the time is over.</summary>
    private static async Task<long> ShowAsync(
        LiveAnswer answer, TapWatch watch, WatchRequest asked, IReadOnlyList<string> devices)
    {
        var names = new DeviceNames();
        TimeSpan lasting = TimeSpan.FromSeconds(asked.ForSeconds);
        using var over = CancellationTokenSource.CreateLinkedTokenSource(answer.Gone);
        using var late = CancellationTokenSource.CreateLinkedTokenSource(answer.Gone);
        over.CancelAfter(lasting);
        late.CancelAfter(lasting + Grace);
        await answer.BeginAsync("application/x-ndjson", late.Token);
        using var batch = new MemoryStream();
        Add(new WatchLine { Devices = [.. devices] });
        long shown = 0;
        try
        {
            do
            {
                await answer.SendAsync(batch.GetBuffer().AsMemory(0, (int)batch.Length), late.Token);
                batch.SetLength(0);
                if (shown == asked.Count || !await watch.Packets.WaitToReadAsync(over.Token)) break;
                while (batch.Length < BatchBytes && shown < asked.Count && watch.Packets.TryRead(out var packet))
                {
                    Add(new WatchLine { Packet = PacketView.Of(packet, names.Of), Lost = watch.Lost });
                    shown++;
                }
            }
            while (!over.IsCancellationRequested || batch.Length > 0);
        }
        catch (OperationCanceledException) when (over.IsCancellationRequested && !answer.Gone.IsCancellationRequested)
        {
            // The time is over.
        }

        Add(new WatchLine { IsEnd = true, Lost = watch.Lost });
        await answer.SendAsync(batch.GetBuffer().AsMemory(0, (int)batch.Length), late.Token);
        return shown;

        void Add(WatchLine line)
        {
            batch.Write(FleetJson.Write(line));
            batch.WriteByte((byte)'\n');
        }
    }

    /// <summary>Devices' names by their numbers, asked once each.</summary>
    private sealed class DeviceNames
    {
        private readonly Dictionary<uint, string> known = [];

        public string Of(uint device) =>
            known.TryGetValue(device, out string? name) ? name : known[device] = InterfaceIndex.NameOf(device);
    }
}

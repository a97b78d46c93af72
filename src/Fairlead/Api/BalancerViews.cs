using System.Collections.Immutable;
using System.Net;
using Fairlead.Balancer;
using Fairlead.Balancer.Programs;
using Fairlead.Node;
using Microsoft.AspNetCore.Http;

namespace Fairlead.Api;

/// <summary>What came for a VIP; Reasons: what became of it, by its own word.</summary>
public sealed record VipView(
    string Vip, ulong Packets, ulong Bytes, ulong NewFlows, ImmutableSortedDictionary<string, ulong> Reasons);

/// <summary>What a service's backend was given. Weight 0: no new flow.</summary>
public sealed record BalancedView(
    string Service, string Backend, ulong Packets, ulong Bytes, ulong NewFlows, int Weight)
{
    /// <summary>It is the balancer of another pop, to which the service spills.</summary>
    public bool Elsewhere { get; init; }
}

/// <summary>A device of the balancer's. How: native, generic (slower), or none when it is gone.</summary>
public sealed record DeviceView(string Name, string How);

/// <summary>The balancer in the kernel. Other: the packets that were for none of its VIPs.</summary>
public sealed record BalancerView(
    ImmutableArray<DeviceView> Devices, string? Fault, ImmutableArray<VipView> Vips,
    ImmutableArray<BalancedView> Backends, VipView? Other)
{
    /// <summary>Backends to which no way is known: what is for them is dropped.</summary>
    public ImmutableArray<string> Unreachable { get; init; } = [];

    /// <summary>Packets that were shown to those who watch, and those for which there was no room.</summary>
    public ulong Watched { get; init; }

    public ulong WatchedLost { get; init; }

    public static BalancerView Of(Balancing balancing)
    {
        (IReadOnlyList<VipCount> vips, IReadOnlyList<BackendCount> backends, IReadOnlyList<IPAddress> unknown) =
            balancing.Look();
        (ulong watched, ulong lost) = balancing.Tap.Counts;
        return new BalancerView([.. balancing.Attached().Select(Of)], balancing.Fault,
            [.. vips.Where(vip => vip.Vip.Protocol != 0).Select(Of).OrderBy(vip => vip.Vip, StringComparer.Ordinal)],
            [
                .. backends
                    .Select(b => new BalancedView(
                        b.Service, $"{b.Backend}", b.Packets, b.Bytes, b.Opened, b.Weight)
                    {
                        Elsewhere = b.IsElsewhere,
                    })
                    .OrderBy(b => b.Service, StringComparer.Ordinal),
            ],
            vips.Where(vip => vip.Vip.Protocol == 0).Select(Of).FirstOrDefault())
        {
            Unreachable = [.. unknown.Select(backend => $"{backend}")],
            Watched = watched,
            WatchedLost = lost,
        };
    }

    private static DeviceView Of(XdpDevice device) => new(device.Name, $"{device.Attachment}".ToLowerInvariant());

    private static VipView Of(VipCount vip) => new(vip.Vip.ToString(), vip.Packets, vip.Bytes, vip.Opened,
        vip.Reasons.ToImmutableSortedDictionary(pair => $"{pair.Key}", pair => pair.Value, StringComparer.Ordinal));
}

/// <summary>Where a flow's packets go, and by which of the slot's owners.</summary>
public sealed record FlowWhy(
    string Service, string Hash, int Slot, string SlotState, string? Owner, string? Former, string? Remembered,
    int RememberedSeconds, string? Goes)
{
    /// <summary>Who had the slot before the former owner, when two changes came soon after each other.</summary>
    public string? Third { get; init; }

    /// <summary>What the QUIC connection id that was asked for says; null: none was.</summary>
    public string? QuicId { get; init; }
}

/// <summary>GET /v1/balancer, and GET /v1/why/flow?from=ADDRESS:PORT&amp;to=ADDRESS:PORT&amp;protocol=tcp.</summary>
internal static class BalancerQuestions
{
    public static Task LookAsync(
        HttpContext context, Balancing? balancing, Func<HttpContext, int, object?, Task> send) => balancing is null
            ? send(context, 404, Without())
            : send(context, 200, BalancerView.Of(balancing));

    public static Task WhyAsync(HttpContext context, Balancing? balancing, Func<HttpContext, int, object?, Task> send)
    {
        if (balancing is null) return send(context, 404, Without());
        IQueryCollection asked = context.Request.Query;
        byte protocol = $"{asked["protocol"]}" switch { "tcp" => 6, "udp" => 17, _ => 0 };
        if (!IPEndPoint.TryParse($"{asked["from"]}", out IPEndPoint? from)
            || !IPEndPoint.TryParse($"{asked["to"]}", out IPEndPoint? to)
            || from.AddressFamily != to.AddressFamily || protocol == 0)
            return send(context, 400, new Refusal("bad-request",
                ["expected ?from=192.0.2.1:4711&to=198.51.100.1:80&protocol=tcp (or udp), both of one family"]));
        string id = $"{asked["quicId"]}";
        if (id.Length > 0 && (protocol != 17 || !IsId(id)))
            return send(context, 400, new Refusal("bad-request",
                ["a QUIC connection id is 1 to 20 bytes in hex, and its protocol is udp"]));
        return balancing.Explain(new Flow(from, to, protocol), Convert.FromHexString(id)) is { } story
            ? send(context, 200, Of(story) with { QuicId = id.Length == 0 ? null : SaidBy(story) })
            : send(context, 404, new Refusal("not-found", [$"the balancer has no VIP {to}/{asked["protocol"]}"]));
    }

    private static bool IsId(string id) => id.Length is <= 40 && id.Length % 2 == 0 && id.All(char.IsAsciiHexDigit);

    private static string SaidBy(FlowStory story) => story.ByQuicId is { } backend
        ? $"of {backend}" : "of no backend that is up: the slot decides";

    internal static Refusal Without() =>
        new("not-found", ["this node balances nothing in the kernel: no service has a \"balance\""]);

    private static FlowWhy Of(FlowStory story) => new(
        story.Service, $"{story.Hash:x16}", story.Slot, story.State.ToString(), story.Owner?.ToString(),
        story.Former?.ToString(), story.Remembered?.ToString(), story.RememberedSeconds, story.Goes?.ToString())
    {
        Third = story.Third?.ToString(),
    };
}

using System.Collections.Immutable;
using System.Net;
using Fairlead.Balancer;
using Fairlead.Balancer.Programs;
using Fairlead.Fleet.Spec;
using Microsoft.Extensions.Logging;

namespace Fairlead.Node;

/// <summary>
/// The node's balancer in the kernel, on a thread of its own: the loop waits for nobody, and a backend's neighbour may
/// take its time to answer. What the kernel does not take is told once and tried again each second; meanwhile packets
/// go on by what it took last.
/// </summary>
public sealed class Balancing : IDisposable
{
    private static readonly TimeSpan Between = TimeSpan.FromSeconds(1);

    private readonly Lock gate = new();
    private readonly AutoResetEvent news = new(false);
    private readonly XdpBalancer balancer;
    private readonly ILogger log;
    private readonly Thread thread;
    private VipTable? wanted;
    private VipTable? given;
    private string? fault;
    private readonly SampledPackets samples;
    private CarriedServices carried = new([]);
    private bool stopping;

    private Balancing(XdpBalancer balancer, IReadOnlyList<string> devices, ILogger log)
    {
        (this.balancer, Devices, this.log) = (balancer, devices, log);
        samples = new SampledPackets(balancer.Tap);
        thread = new Thread(Run) { IsBackground = true, Name = "balancer" };
        thread.Start();
    }

    public IReadOnlyList<string> Devices { get; }

    /// <summary>How the program runs on each of them now, as the kernel says it.</summary>
    public IReadOnlyList<XdpDevice> Attached()
    {
        lock (gate) return stopping ? [] : balancer.Devices;
    }

    /// <summary>Whether the tables of an earlier process were found and kept.</summary>
    public bool HasTakenOver => balancer.HasTakenOver;

    /// <summary>What other nodes must know to take over flows of this one: at most a second old.</summary>
    public ImmutableArray<CarriedService> Carried => Volatile.Read(ref carried).All;

    /// <summary>Called when Carried says of another service or of another set.</summary>
    public Action? CarriedChanged { get; set; }

    /// <summary>Whether a table of the loop's is in the kernel.</summary>
    public bool Stands => Volatile.Read(ref given) is not null;

    /// <summary>Called when it stands for the first time.</summary>
    public Action? Stood { get; set; }

    /// <summary>What the kernel does not take; null: all is as it should be.</summary>
    public string? Fault => Volatile.Read(ref fault);

    /// <summary>
    /// Null: the fleet has nothing to balance. IOException: it has, and this machine cannot.
    /// </summary>
    public static Balancing? Start(FleetSpec fleet, NodeSpec node, string pins, TimeProvider time, ILogger log)
    {
        if (fleet.Balancer is not { } spec || fleet.Services.All(service => service.Balance is null)) return null;
        IReadOnlyList<string> devices = spec.DevicesOf(node);
        var options = new XdpOptions { Devices = devices, Key = Convert.FromHexString(spec.Key), Pins = pins };
        var balancer = XdpBalancer.Start(options, time, said => log.LogWarning("{Fault}", said));
        log.LogInformation("balancing on {Devices}{How}", string.Join(' ', devices),
            balancer.HasTakenOver ? ": took over what an earlier process had left" : "");
        var balancing = new Balancing(balancer, devices, log);
        balancing.Sample(spec.Sample);
        return balancing;
    }

    /// <summary>Where packets are shown.</summary>
    public PacketTap Tap => balancer.Tap;

    /// <summary>Whether a service of the node's table has this VIP.</summary>
    public bool Holds(IPAddress vip) => Volatile.Read(ref given) is { } table
        && table.Services.Any(service => service.Vips.Any(one => one.Address.Equals(vip)));

    /// <summary>Keeps the last of one in so many packets, by chance; 0: none.</summary>
    public void Sample(int oneIn) => samples.Take(oneIn);

    /// <summary>The packets that were kept, the oldest first.</summary>
    public IReadOnlyList<TappedPacket> Samples => samples.Kept;

    /// <summary>Goes over to the table's services, soon.</summary>
    public void Apply(VipTable next)
    {
        Volatile.Write(ref wanted, next);
        news.Set();
    }

    /// <summary>What was counted, of VIPs and of backends, and the backends to which no way is known.</summary>
    public (IReadOnlyList<VipCount> Vips, IReadOnlyList<BackendCount> Backends, IReadOnlyList<IPAddress> Unknown) Look()
    {
        lock (gate) return stopping ? ([], [], []) : (balancer.Vips(), balancer.Backends(), balancer.Unknown);
    }

    /// <summary>
    /// Where this flow's packets go, with this QUIC connection id or without one; null: it is for no VIP of the
    /// balancer.
    /// </summary>
    public FlowStory? Explain(Flow flow, ReadOnlySpan<byte> quicId)
    {
        lock (gate) return stopping ? null : balancer.Explain(flow, quicId);
    }

    /// <summary>Takes it out of the kernel: the node's operator has stopped it.</summary>
    public void Remove() => End(balancer.Remove);

    /// <summary>Lets go. Without Remove the kernel goes on by what stands there.</summary>
    public void Dispose()
    {
        End(balancer.Dispose);
        news.Dispose();
    }

    private void End(Action last)
    {
        lock (gate)
        {
            if (stopping) return;
            stopping = true;
            samples.Dispose();
            last();
        }

        news.Set();
        thread.Join();
    }

    private void Run()
    {
        while (true)
        {
            _ = news.WaitOne(Between);
            lock (gate)
            {
                if (stopping) return;
                // Until the loop has said something, what was taken over stands.
                if (Volatile.Read(ref wanted) is { } table) Turn(table);
            }
        }
    }

    private void Turn(VipTable table)
    {
        try
        {
            if (!ReferenceEquals(table, given)) balancer.Apply(table);
            balancer.Tend();
            bool first = given is null;
            Volatile.Write(ref given, table);
            if (first) Stood?.Invoke();
            if (balancer.IsUnfinished) news.Set();
            Tell();
            if (fault is not null) log.LogInformation("the kernel has taken the balancer's table");
            Volatile.Write(ref fault, null);
        }
        catch (IOException failed)
        {
            if (fault is null) log.LogError("the balancer's table is not in the kernel: {Fault}", failed.Message);
            Volatile.Write(ref fault, failed.Message);
        }
    }

    private void Tell()
    {
        var before = carried;
        var next = new CarriedServices([.. balancer.Carried.OrderBy(one => one.Service, StringComparer.Ordinal)]);
        Volatile.Write(ref carried, next);
        if (!SameSets(before.All, next.All)) CarriedChanged?.Invoke();
    }

    /// <summary>Whether both say the same, ages aside.</summary>
    public static bool SameSets(ImmutableArray<CarriedService> one, ImmutableArray<CarriedService> other) =>
        one.Length == other.Length && one.Zip(other).All(pair => pair.First.Service == pair.Second.Service
            && pair.First.Former.Length == pair.Second.Former.Length
            && pair.First.Former.Zip(pair.Second.Former).All(
                sets => sets.First.Backends.AsSpan().SequenceEqual(sets.Second.Backends.AsSpan())));

    /// <summary>In one piece, as threads hand it over.</summary>
    private sealed record CarriedServices(ImmutableArray<CarriedService> All);
}

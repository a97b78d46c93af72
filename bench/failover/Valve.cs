using System.Reflection;
using Fairlead.Lab.Topologies;
using Fairlead.Net.Linux;

namespace Fairlead.Bench.Failover;

/// <summary>
/// Cuts a wire without a word to those at its ends. By one store: what is measured begins with it, and a command or a
/// rule set would take a few milliseconds first.
/// </summary>
internal sealed class Valve : IDisposable
{
    private readonly Dictionary<string, BpfObject> objects;
    private readonly BpfArray<ulong> cut;
    private readonly List<BpfObject> links = [];

    public Valve(Bed bed, params ReadOnlySpan<(string Host, string Device)> ends)
    {
        using var text = new StreamReader(
            Assembly.GetExecutingAssembly().GetManifestResourceStream("valve.skel")!);
        objects = new LightSkeleton(text).Load(new Dictionary<string, int>());
        cut = new BpfArray<ulong>(objects["cut"]);
        foreach ((string host, string device) in ends)
        {
            links.Add(NetworkNamespace.Run(
                bed.NamespaceOf(host), () => XdpPass.Attach(objects["program valve"], device)));
        }
    }

    public bool IsCut
    {
        set => Volatile.Write(ref cut[0], value ? 1UL : 0);
    }

    public void Dispose()
    {
        cut.Dispose();
        foreach (BpfObject one in links.Concat(objects.Values)) one.Dispose();
    }
}

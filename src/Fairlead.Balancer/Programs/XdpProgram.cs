using System.Globalization;
using System.Reflection;
using Fairlead.Balancer.Maps;
using Fairlead.Net.Linux;

namespace Fairlead.Balancer.Programs;

/// <summary>The kernel's programs as they are embedded here (bpf/build).</summary>
public static class XdpProgram
{
    /// <summary>Maps and programs ("program NAME") by name. `log` shows the verifier's words when it fails.</summary>
    public static Dictionary<string, BpfObject> Load(string name, BalancerSizes sizes, bool log = false)
    {
        var entries = new Dictionary<string, int>
        {
            ["vips"] = sizes.Vips * Layout.Copies,
            ["services"] = sizes.Services * Layout.Copies,
            ["slots"] = sizes.Slots * Layout.Copies,
            ["backends"] = sizes.Backends * Layout.Copies,
            ["ids"] = sizes.Ids * Layout.Copies,
            ["exceptions"] = sizes.ExceptionBuckets,
            ["fragments"] = sizes.FragmentBuckets,
            ["vip_counts"] = sizes.Vips,
            ["backend_counts"] = sizes.Backends,
        };
        return Skeleton(name).Load(entries, log);
    }

    public static LightSkeleton Skeleton(string name)
    {
        Stream resource = Assembly.GetExecutingAssembly().GetManifestResourceStream(
            string.Create(CultureInfo.InvariantCulture, $"{name}.skel"))!;
        using var text = new StreamReader(resource);
        return new LightSkeleton(text);
    }
}

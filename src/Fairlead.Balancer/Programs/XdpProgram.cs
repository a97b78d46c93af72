using System.Reflection;
using System.Security.Cryptography;
using Fairlead.Balancer.Maps;
using Fairlead.Net.Linux;

namespace Fairlead.Balancer.Programs;

/// <summary>The kernel's programs as they are embedded here (bpf/build).</summary>
public static class XdpProgram
{
    /// <summary>The balancer's maps and its program ("program balancer"). `log` shows the verifier's words.</summary>
    public static Dictionary<string, BpfObject> LoadBalancer(BalancerSizes sizes, bool log = false) =>
        Skeleton("balancer").Load(
            new Dictionary<string, int>
            {
                ["vips"] = sizes.Vips * Layout.Copies,
                ["services"] = sizes.Services * Layout.Copies,
                ["slots"] = sizes.Slots * Layout.Copies,
                ["backends"] = sizes.Backends * Layout.Copies,
                ["exceptions"] = sizes.ExceptionBuckets,
                ["fragments"] = sizes.FragmentBuckets,
                ["quic_ids"] = sizes.QuicIds * Layout.Copies,
                ["spillers"] = Layout.Spillers * Layout.Copies,
                ["quic_configs"] = sizes.QuicServices * Layout.QuicConfigs * Layout.Copies,
                ["vip_counts"] = sizes.Vips,
                ["backend_counts"] = sizes.Backends,
            },
            log);

    public static LightSkeleton Skeleton(string name)
    {
        using var text = new StringReader(Text(name));
        return new LightSkeleton(text);
    }

    /// <summary>Tells one build of a program from another.</summary>
    public static string Identity(string name) =>
        Convert.ToHexStringLower(SHA256.HashData(System.Text.Encoding.ASCII.GetBytes(Text(name))))[..16];

    private static string Text(string name)
    {
        using Stream resource = Assembly.GetExecutingAssembly().GetManifestResourceStream($"{name}.skel")!;
        using var text = new StreamReader(resource);
        return text.ReadToEnd();
    }
}

namespace Fairlead.Balancer.Maps;

/// <summary>What a copy has not been told yet.</summary>
internal sealed class Dirt
{
    public HashSet<ServiceState> Services { get; } = [];

    public HashSet<uint> Backends { get; } = [];

    public bool HasVips { get; set; }

    public void Clear()
    {
        Services.Clear();
        Backends.Clear();
        HasVips = false;
    }
}
